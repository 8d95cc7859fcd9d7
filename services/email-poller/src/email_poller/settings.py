"""What the email poller needs to be told: one mailbox, how to reach it, and how much to take from it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, SecretStr, StringConstraints, model_validator

from posta.settings import Group, ServiceSettings

Line = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Text that goes into an IMAP command: a line break in it would begin another one (CVE-2025-15366)."""
Address = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^\s@<>,;:\"]+@[^\s@<>,;:\"]+$")]


class MailSettings(Group):
    """The mailbox. The notifier reads its SMTP side from the same ``POSTA_MAIL__`` group."""

    # One environment may serve both services, so names that only the notifier knows are no mistake.
    model_config = ConfigDict(frozen=True, extra="ignore")

    address: Address
    """The address Posta answers for: the reply's From."""
    aliases: str = ""
    """Comma-separated further addresses of ours; a mail from one of them is never answered."""
    username: Line
    """Login name at the IMAP server."""
    password: SecretStr
    """Password of that login."""
    imap_host: Line
    """The IMAP server."""
    imap_port: int = Field(default=993, ge=1, le=65535)
    """Its port: 993 for ``ssl``, usually 143 otherwise."""
    imap_security: Literal["ssl", "starttls", "plain"] = "ssl"
    """``plain`` sends the password readably: only on loopback."""
    imap_ca_file: Path | None = None
    """Certificates to trust besides the system's, for a server with a private one."""
    imap_timeout_s: float = Field(default=20.0, gt=0, le=300)
    """How long the server may stay silent, and the connection may take."""
    mailbox: Line = "INBOX"
    """The folder whose mails are answered."""
    poll_interval_s: float = Field(default=5.0, ge=0.1, le=3600)
    """Seconds between two looks at the mailbox."""
    max_bytes: int = Field(default=10 * 1_048_576, ge=1024, le=100 * 1_048_576)
    """A larger mail is not fetched: it is ignored and logged."""
    batch: int = Field(default=50, ge=1, le=1000)
    """Mails taken before the taken ones are published and marked."""
    mark_seen: bool = True
    """Set the Seen flag on a mail once Kafka has its event."""
    rescan_days: int = Field(default=7, ge=1, le=365)
    """How far back to look, in days, when the server has renumbered the mailbox."""
    answers_per_sender_per_hour: int = Field(default=20, ge=1, le=10_000)
    """Further mails of one sender are ignored: the only complete protection against a mail loop."""

    @property
    def own_addresses(self) -> frozenset[str]:
        """Every address of ours, in lower case."""
        return frozenset(
            part.strip().lower() for part in (self.address, *self.aliases.split(",")) if part.strip()
        )


class EmailPollerSettings(ServiceSettings):
    """All settings of the service."""

    mail: MailSettings

    @model_validator(mode="before")
    @classmethod
    def _name_each_missing_variable(cls, given: Any) -> Any:
        # An absent group would be reported as one missing POSTA_MAIL instead of by its variables.
        return {"mail": {}, **given} if isinstance(given, dict) else given

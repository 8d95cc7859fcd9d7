"""What notifier needs from its environment, and no more."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

from notifier.pace import DEFAULT_RETRIES
from posta.settings import Group, ServiceSettings

HANDLING_MARGIN_S = 30.0
"""What a handling may take beside the call itself: the ledger, a slow database."""


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]{1,63}$")]


class DestinationsSettings(Group):
    """The registry of destinations."""

    key: SecretStr = SecretStr("")
    """Decrypts the URLs of registered webhooks: 64 hex digits; empty: none can be used."""
    hosts: str = ""
    """Comma list of ``host`` or ``host:port`` that may be called beside Discord's own."""


class DiscordSettings(Group):
    """How Discord is called."""

    # Ingress reads other variables of this group; one environment may serve both.
    model_config = ConfigDict(frozen=True, extra="ignore")

    api_url: str = "https://discord.com/api/v10"
    """Base of the edits; the sandbox's look-alike has its own."""
    timeout_s: float = Field(default=10.0, gt=0, le=60)
    """Seconds for one call, from connecting to the last byte."""
    concurrency: int = Field(default=64, ge=1, le=1000)
    """Most deliveries under way at once, mails included."""
    max_retries: int = Field(default=DEFAULT_RETRIES, ge=0, le=100)
    """Attempts after the first; the waits between them are 1, 2, 5 and 10 s, then longer ones."""
    bot_token: SecretStr = SecretStr("")
    """For messages in channels, direct messages, and finding posts whose answer was lost; empty: none."""
    answer_parts: int = Field(default=5, ge=1, le=5)
    """Most messages that one long answer becomes; the rest is attached as a file."""
    global_limit: int = Field(default=50, ge=1, le=1000)
    """Calls per second outside interactions, of all processes behind one address (and of one bot)."""
    address: Name = "default"
    """Names the address this process calls from: those with the same one share its limits."""
    refusals_most: int = Field(default=1000, ge=10, le=9000)
    """Answers 401, 403 and 429 in ten minutes at which all calls stop; Discord bans at 10 000."""
    user_agent_url: str = "https://posta.example"
    """Whom Discord may turn to, as its User-Agent rule wants; a page about this installation."""

    @field_validator("api_url", "user_agent_url")
    @classmethod
    def _http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http:// or https:// address")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold no credentials, query or fragment")
        if not url.isascii() or any(c.isspace() or c in "()," for c in url):
            raise ValueError("must be plain ASCII without blanks, commas or parentheses")
        return url.rstrip("/")


class MailSettings(Group):
    """The account that mails are answered from; without ``smtp_host`` none are."""

    # Email-poller reads the IMAP half of this group.
    model_config = ConfigDict(frozen=True, extra="ignore")

    address: str = ""
    """The account's address: every reply's From."""
    username: str = ""
    """Login name; empty: no login."""
    password: SecretStr = SecretStr("")
    """Password of that login."""
    smtp_host: str = ""
    """The mail server that replies are handed to; empty: no mail is sent."""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    """Its port; see ``smtp_security``."""
    smtp_security: Literal["ssl", "starttls", "plain"] = "starttls"
    """``ssl``: TLS from the start (465); ``starttls``: TLS or nothing (587); ``plain``: no TLS."""
    smtp_connect_timeout_s: float = Field(default=30.0, gt=0, le=300)
    """Seconds to connect, greet and log in."""
    smtp_timeout_s: float = Field(default=600.0, gt=0, le=1800)
    """Seconds for each later step. After the final dot RFC 5321 wants 10 minutes: less makes doubles."""
    smtp_connections: int = Field(default=4, ge=1, le=100)
    """Most connections at once."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.smtp_host and not self.address:
            raise ValueError("POSTA_MAIL__SMTP_HOST is set, so POSTA_MAIL__ADDRESS must be, too")
        return self


class Settings(ServiceSettings):
    """All settings of notifier."""

    discord: DiscordSettings = DiscordSettings()
    mail: MailSettings = MailSettings()
    destinations: DestinationsSettings = DestinationsSettings()
    api_keys: SecretStr = SecretStr("")
    """Who may see and steer the engine: ``name:scope+scope:sha256,…``; scopes ``engine:read`` and
    ``engine:operate``. Keys in PostgreSQL (`posta keys`) are accepted beside them."""

    @property
    def handler_timeout_s(self) -> float:
        """Seconds after which a handling is cancelled, whatever it waits for."""
        mail_s = self.mail.smtp_connect_timeout_s + self.mail.smtp_timeout_s if self.mail.smtp_host else 0.0
        return max(3 * self.discord.timeout_s, mail_s) + HANDLING_MARGIN_S

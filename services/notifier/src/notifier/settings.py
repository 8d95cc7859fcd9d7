"""What notifier needs from its environment, and no more."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from posta.settings import Group, ServiceSettings

HANDLING_MARGIN_S = 30.0
"""What a handling may take beside the call itself: the ledger, a slow database."""


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
    api_keys: SecretStr = SecretStr("")
    """Who may see and steer the engine: ``name:scope+scope:sha256,…``; scopes ``engine:read`` and
    ``engine:operate``. Unset: ``/v1/engine`` does not exist."""

    @property
    def handler_timeout_s(self) -> float:
        """Seconds after which a handling is cancelled, whatever it waits for."""
        mail_s = self.mail.smtp_connect_timeout_s + self.mail.smtp_timeout_s if self.mail.smtp_host else 0.0
        return max(3 * self.discord.timeout_s, mail_s) + HANDLING_MARGIN_S

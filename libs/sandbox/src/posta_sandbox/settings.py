"""What the sandbox is told by its environment (POSTA_SANDBOX__...)."""

import ipaddress
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from posta_sandbox.keys import application_id, signing_key


class SandboxSettings(BaseSettings):
    """Addresses and identities of one sandbox; the defaults run on a laptop with nothing set."""

    model_config = SettingsConfigDict(
        env_prefix="POSTA_SANDBOX__", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback also needs ``allow_remote``."""
    port: int = Field(8090, ge=0, le=65535)
    """Port of the page, the API and the two look-alikes; 0 takes a free one."""
    allow_remote: bool = False
    """Serve other machines too. There is no login: only for a closed network such as Compose's."""
    ingress_url: str = "http://127.0.0.1:8080"
    """Base address of ingress; interactions go to its ``/discord-interactions``."""
    discord_seed: SecretStr = SecretStr("5a" * 32)
    """32-byte Ed25519 seed in hex; decides the public key, the application and webhook ids."""
    application_id: str = ""
    """Snowflake of the application; derived from the seed when empty."""
    smtp_port: int = Field(0, ge=0, le=65535)
    """Port of the fault-injecting SMTP proxy; 0 takes a free one."""
    imap_port: int = Field(0, ge=0, le=65535)
    """Port of the fault-injecting IMAP proxy; 0 takes a free one."""
    smtp_upstream_port: int | None = None
    """The mail server's own SMTP port; without it there is no mail."""
    imap_upstream_port: int | None = None
    """The mail server's own IMAP port; without it there is no mail."""
    mail_upstream_host: str = "127.0.0.1"
    """Where the mail server runs."""
    mail_address: str = "posta@posta.test"
    """The account Posta answers for."""
    mail_password: SecretStr = SecretStr("posta")
    """Password of that account."""
    llm_latency_s: float = Field(0.3, ge=0)
    """How long the LLM look-alike thinks, so that a person sees "thinking…"."""

    @field_validator("discord_seed")
    @classmethod
    def _is_a_seed(cls, value: SecretStr) -> SecretStr:
        signing_key(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _stays_on_loopback(self) -> Self:
        if not self.allow_remote and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host} is reachable from other machines and the sandbox has no login: "
                "listen on 127.0.0.1, or set POSTA_SANDBOX__ALLOW_REMOTE=1 on a closed network"
            )
        return self

    @property
    def seed_hex(self) -> str:
        """The seed in clear, for the modules that sign and derive."""
        return self.discord_seed.get_secret_value()

    @property
    def effective_application_id(self) -> str:
        """The given application id, or the one the seed decides."""
        return self.application_id or application_id(self.seed_hex)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

"""PURE: what a run depends on: the person's variables, the parts that start, the ports, the secrets.

What a person set always wins: a group of variables that names another server (a real Discord, mailbox
or LLM, a real Kafka or PostgreSQL) takes the place of the sandbox's whole group, so that no password
of one is ever sent to the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from posta_cli.credentials import Credentials
from posta_cli.given import has
from posta_cli.home import Home

HOST = "127.0.0.1"

KAFKA_VARIABLE = "POSTA_KAFKA__BOOTSTRAP_SERVERS"
DATABASE_VARIABLE = "POSTA_DATABASE__URL"

DISCORD_GROUP = ("POSTA_DISCORD__PUBLIC_KEYS", "POSTA_DISCORD__API_URL")
LLM_GROUP = ("POSTA_LLM__BASE_URL",)
MAIL_GROUP = ("POSTA_MAIL__IMAP_HOST", "POSTA_MAIL__SMTP_HOST")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Which of the embedded parts this run starts."""

    kafka: bool
    postgres: bool
    mail: bool
    sandbox: bool
    services: bool = True
    """False for `posta sandbox`: the look-alikes and the mail server alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything a process's environment depends on."""

    given: Mapping[str, str]
    parts: Parts
    ports: Mapping[str, int]
    credentials: Credentials
    discord_public_key: str
    """Of the look-alike Discord, hex."""
    home: Home
    bootstrap_servers: str
    database_url: str = ""
    """Empty until the embedded PostgreSQL runs: it makes its password itself."""
    config_dir: Path | None = None
    webhooks: Mapping[str, str] = field(default_factory=dict)
    """Variable of each destination → its URL at the sandbox."""


def parts_to_start(given: Mapping[str, str], *, sandbox: bool) -> Parts:
    """Decide which embedded parts are needed beside what the person brought."""
    return Parts(
        kafka=not has(given, KAFKA_VARIABLE),
        postgres=not has(given, DATABASE_VARIABLE),
        mail=sandbox and not has(given, *MAIL_GROUP),
        sandbox=sandbox,
    )


def sandbox_url(around: Surroundings) -> str:
    """Return the sandbox's page and API."""
    return url_of(around.ports["sandbox"])


def llm_url(around: Surroundings) -> str:
    """Return the look-alike LLM's base: requests go to `{base}/chat/completions`."""
    return f"{sandbox_url(around)}/llm/v1"


def uses_generated_keys(around: Surroundings) -> bool:
    """Tell whether the generated API keys are the valid ones (and not a list the person set)."""
    return not has(around.given, "POSTA_API_KEYS")


def uses_sandbox_discord(around: Surroundings) -> bool:
    """Tell whether Posta talks to the look-alike Discord (and not to one the person named)."""
    return around.parts.sandbox and not has(around.given, *DISCORD_GROUP)


def uses_sandbox_llm(around: Surroundings) -> bool:
    """Tell whether Posta asks the look-alike LLM (and not one the person named)."""
    return around.parts.sandbox and not has(around.given, *LLM_GROUP)


def url_of(port: int) -> str:
    """Return the address of a server of this run."""
    return f"http://{HOST}:{port}"

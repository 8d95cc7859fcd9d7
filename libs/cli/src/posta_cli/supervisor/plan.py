"""PURE: which processes run, with which environment, given what a person set and the ports chosen.

What a person set always wins: a group of variables that names another server (a real Discord, mailbox
or LLM, a real Kafka or PostgreSQL) takes the place of the sandbox's whole group, so that no password
of one is ever sent to the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from posta_cli.credentials import Credentials, api_keys_value
from posta_cli.given import has
from posta_cli.home import Home

HOST = "127.0.0.1"

KAFKA_VARIABLE = "POSTA_KAFKA__BOOTSTRAP_SERVERS"
DATABASE_VARIABLE = "POSTA_DATABASE__URL"

DISCORD_GROUP = ("POSTA_DISCORD__PUBLIC_KEYS", "POSTA_DISCORD__API_URL")
LLM_GROUP = ("POSTA_LLM__BASE_URL",)
MAIL_GROUP = ("POSTA_MAIL__IMAP_HOST", "POSTA_MAIL__SMTP_HOST")
MAIL_NAMES = ("POSTA_MAIL__ADDRESS", *MAIL_GROUP)

TOPICS, MIGRATIONS, MAIL, SANDBOX = "topics", "migrations", "mail", "sandbox"
"""What a service may need before it is worth starting."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessPlan:
    """One process to run: `python -m module` with `env` added to the person's own."""

    name: str
    module: str
    port: int
    env: Mapping[str, str]
    needs: frozenset[str]
    grace_s: float
    """How long it may take to end after SIGTERM before it is killed, in seconds."""

    @property
    def url(self) -> str:
        """Where its HTTP server listens."""
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Service:
    name: str
    module: str
    needs: tuple[str, ...]


SERVICES = (
    _Service("ingress", "ingress", (TOPICS, MIGRATIONS)),
    _Service("llm-worker", "llm_worker", (TOPICS, MIGRATIONS)),
    _Service("email-poller", "email_poller", (TOPICS, MIGRATIONS, MAIL, SANDBOX)),
    _Service("notifier", "notifier", (TOPICS, MIGRATIONS)),
    _Service("dlq-admin", "dlq_admin", (TOPICS, MIGRATIONS)),
)
SERVICE_NAMES = tuple(service.name for service in SERVICES)

_DEFAULT_GRACE_S = 10.0
_GRACE_MARGIN_S = 3.0
"""Between a service's own grace and SIGKILL: it needs to say goodbye to Kafka."""


def parts_to_start(given: Mapping[str, str], *, sandbox: bool) -> Parts:
    """Decide which embedded parts are needed beside what the person brought."""
    return Parts(
        kafka=not has(given, KAFKA_VARIABLE),
        postgres=not has(given, DATABASE_VARIABLE),
        mail=sandbox and not has(given, *MAIL_GROUP),
        sandbox=sandbox,
    )


def ports_needed(parts: Parts) -> tuple[str, ...]:
    """Return the names (see `posta_cli.ports`) of the listeners this run has."""
    names = list(SERVICE_NAMES) if parts.services else []
    if parts.kafka:
        names.append("kafka")
    if parts.postgres:
        names.append("postgres")
    if parts.sandbox:
        names.append("sandbox")
    if parts.mail:
        names += ["mail-smtp", "mail-imap", "mail-api", "sandbox-smtp", "sandbox-imap"]
    return tuple(names)


def services(around: Surroundings) -> tuple[ProcessPlan, ...]:
    """Return the five services, each with the environment it needs and no other's secrets."""
    if not around.parts.services:
        return ()
    extras: dict[str, dict[str, str]] = {
        "ingress": _discord_intake(around) | _api_keys(around),
        "llm-worker": _llm(around),
        "email-poller": _mailbox(around, imap=True),
        "notifier": _discord_delivery(around) | _mailbox(around, imap=False),
        "dlq-admin": _api_keys(around),
    }
    available = {TOPICS, MIGRATIONS}
    available |= {MAIL} if around.parts.mail else set()
    available |= {SANDBOX} if around.parts.sandbox else set()
    grace_s = _grace_s(around.given)
    return tuple(
        ProcessPlan(
            name=service.name,
            module=service.module,
            port=around.ports[service.name],
            env=_for_every_service(around, service.name) | extras[service.name],
            needs=frozenset(service.needs) & available,
            grace_s=grace_s + _GRACE_MARGIN_S,
        )
        for service in SERVICES
        if service.name not in left_out(around.given, around.parts)
    )


def left_out(given: Mapping[str, str], parts: Parts) -> dict[str, str]:
    """Return each service that has nothing to do in this run, and why."""
    if parts.services and not parts.mail and not has(given, "POSTA_MAIL__IMAP_HOST"):
        return {"email-poller": "no mailbox (POSTA_MAIL__IMAP_HOST is not set)"}
    return {}


def sandbox(around: Surroundings) -> ProcessPlan:
    """Return the look-alikes' process."""
    secret, ports = around.credentials, around.ports
    env = {
        "POSTA_SANDBOX__HOST": HOST,
        "POSTA_SANDBOX__PORT": str(ports["sandbox"]),
        "POSTA_SANDBOX__DISCORD_SEED": secret.discord_seed,
        "POSTA_SANDBOX__APPLICATION_ID": secret.application_id,
    }
    if around.parts.services:
        env["POSTA_SANDBOX__INGRESS_URL"] = _url(ports["ingress"])
    if around.parts.mail:
        env |= {
            "POSTA_SANDBOX__SMTP_PORT": str(ports["sandbox-smtp"]),
            "POSTA_SANDBOX__IMAP_PORT": str(ports["sandbox-imap"]),
            "POSTA_SANDBOX__SMTP_UPSTREAM_PORT": str(ports["mail-smtp"]),
            "POSTA_SANDBOX__IMAP_UPSTREAM_PORT": str(ports["mail-imap"]),
            "POSTA_SANDBOX__MAIL_ADDRESS": secret.mail_address,
            "POSTA_SANDBOX__MAIL_PASSWORD": secret.mail_password,
        }
    return ProcessPlan(
        name="sandbox",
        module="posta_sandbox",
        port=ports["sandbox"],
        env=env,
        needs=frozenset(),
        grace_s=5.0,
    )


def process(around: Surroundings, name: str) -> ProcessPlan:
    """Return the plan of one process, a service or the sandbox."""
    everything = services(around) if name != SANDBOX else (sandbox(around),)
    return next(process for process in everything if process.name == name)


def sandbox_url(around: Surroundings) -> str:
    """Return the sandbox's page and API."""
    return _url(around.ports["sandbox"])


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


def _for_every_service(around: Surroundings, name: str) -> dict[str, str]:
    env = {
        "POSTA_HTTP__HOST": HOST,
        "POSTA_HTTP__PORT": str(around.ports[name]),
        "POSTA_STATE_DIR": str(around.home.services),
    }
    if around.parts.kafka:
        env[KAFKA_VARIABLE] = around.bootstrap_servers
    if around.parts.postgres:
        env[DATABASE_VARIABLE] = around.database_url
    if around.config_dir is not None and not has(around.given, "POSTA_CONFIG_DIR"):
        env["POSTA_CONFIG_DIR"] = str(around.config_dir)
    if around.parts.sandbox and not has(around.given, "OTEL_EXPORTER_OTLP_ENDPOINT"):
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = sandbox_url(around)
    return env


def _api_keys(around: Surroundings) -> dict[str, str]:
    if not uses_generated_keys(around):
        return {}
    return {"POSTA_API_KEYS": api_keys_value(around.credentials)}


def _discord_intake(around: Surroundings) -> dict[str, str]:
    if not uses_sandbox_discord(around):
        return {}
    from_sandbox = _discord_delivery(around)
    return {
        "POSTA_DISCORD__PUBLIC_KEYS": around.discord_public_key,
        "POSTA_DISCORD__APPLICATION_ID": around.credentials.application_id,
        "POSTA_DISCORD__API_URL": from_sandbox["POSTA_DISCORD__API_URL"],
    }


def _discord_delivery(around: Surroundings) -> dict[str, str]:
    webhooks = {name: url for name, url in around.webhooks.items() if not has(around.given, name)}
    if not uses_sandbox_discord(around):
        return webhooks if around.parts.sandbox else {}
    return {"POSTA_DISCORD__API_URL": f"{sandbox_url(around)}/api/v10", **webhooks}


def _llm(around: Surroundings) -> dict[str, str]:
    if not uses_sandbox_llm(around):
        return {}
    return {
        "POSTA_LLM__BASE_URL": llm_url(around),
        "POSTA_LLM__API_KEY": around.credentials.llm_key,
    }


def _mailbox(around: Surroundings, *, imap: bool) -> dict[str, str]:
    if not around.parts.mail:
        return {}
    env = {
        "POSTA_MAIL__ADDRESS": around.credentials.mail_address,
        "POSTA_MAIL__USERNAME": around.credentials.mail_address,
        "POSTA_MAIL__PASSWORD": around.credentials.mail_password,
        "POSTA_MAIL__SMTP_HOST": HOST,
        "POSTA_MAIL__SMTP_PORT": str(around.ports["sandbox-smtp"]),
        "POSTA_MAIL__SMTP_SECURITY": "plain",
    }
    if imap:
        env |= {
            "POSTA_MAIL__IMAP_HOST": HOST,
            "POSTA_MAIL__IMAP_PORT": str(around.ports["sandbox-imap"]),
            "POSTA_MAIL__IMAP_SECURITY": "plain",
        }
    return env


def _grace_s(given: Mapping[str, str]) -> float:
    try:
        return float(given.get("POSTA_SHUTDOWN__GRACE_S") or _DEFAULT_GRACE_S)
    except ValueError:
        return _DEFAULT_GRACE_S  # the services say at start what is wrong with it


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"

"""PURE: which processes run, and what each needs before it is worth starting."""

from collections.abc import Mapping
from dataclasses import dataclass

from posta_cli.given import has
from posta_cli.supervisor import environment
from posta_cli.supervisor.surroundings import Parts, Surroundings, url_of

TOPICS, MIGRATIONS, MAIL, SANDBOX = "topics", "migrations", "mail", "sandbox"
"""What a service may need before it is worth starting."""


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
        return url_of(self.port)


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
    """Return the five services, each with its environment."""
    if not around.parts.services:
        return ()
    available = {TOPICS, MIGRATIONS}
    available |= {MAIL} if around.parts.mail else set()
    available |= {SANDBOX} if around.parts.sandbox else set()
    grace_s = _grace_s(around.given)
    return tuple(
        ProcessPlan(
            name=service.name,
            module=service.module,
            port=around.ports[service.name],
            env=environment.of_service(around, service.name),
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
    return ProcessPlan(
        name="sandbox",
        module="posta_sandbox",
        port=around.ports["sandbox"],
        env=environment.of_sandbox(around),
        needs=frozenset(),
        grace_s=5.0,
    )


def process(around: Surroundings, name: str) -> ProcessPlan:
    """Return the plan of one process, a service or the sandbox."""
    everything = services(around) if name != SANDBOX else (sandbox(around),)
    return next(process for process in everything if process.name == name)


def _grace_s(given: Mapping[str, str]) -> float:
    try:
        return float(given.get("POSTA_SHUTDOWN__GRACE_S") or _DEFAULT_GRACE_S)
    except ValueError:
        return _DEFAULT_GRACE_S  # the services say at start what is wrong with it

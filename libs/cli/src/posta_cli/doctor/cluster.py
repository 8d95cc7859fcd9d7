"""Checks of what runs: the supervisor and its services, Kafka's topics, the database's tables."""

from typing import Any

from posta.errors import PostaError
from posta.kafka import topics
from posta.kafka.topics import ChangeKind
from posta.postgres import migrations
from posta.settings import ServiceSettings
from posta_cli import contact
from posta_cli.doctor.finding import Finding, fail, ok, warn
from posta_cli.errors import CommandError, NotRunningError
from posta_cli.home import Home


def running(home: Home) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Return the running system's status document, if there is one, and how its parts are."""
    try:
        status = contact.ask(home, "status")["status"]
    except NotRunningError:
        return None, [ok("system", "nothing runs here; start it with `posta up`")]
    except CommandError as exc:
        return None, [fail("system", exc.what, exc.remedy)]
    found = [ok("system", f"runs (pid {status['pid']})")]
    for name, service in status["services"].items():
        found.append(_service(name, service))
    return status, found


def _service(name: str, service: dict[str, Any]) -> Finding:
    if not service["ready"]:
        return fail(name, f"is not ready ({service['phase']})", f"See `posta logs {name}`.")
    if service["restarts"]:
        times = service["restarts"]
        return warn(name, f"ready, but died {times} times", f"See `posta logs {name}`.")
    return ok(name, f"ready at {service['url']}")


async def kafka(settings: ServiceSettings) -> Finding:
    """Ask whether Kafka answers, with the topics as declared."""
    try:
        changes = await topics.plan(settings.kafka)
    except PostaError as exc:
        return fail("kafka", f"{exc}", "Check POSTA_KAFKA__BOOTSTRAP_SERVERS and the cluster.")
    missing = [change.topic for change in changes if change.kind is ChangeKind.CREATE]
    if missing:
        return fail("kafka", f"lacks {len(missing)} topics", "Run `posta topics apply`.")
    if changes:
        first = changes[0]
        return warn(
            "kafka",
            f"{len(changes)} topics differ, such as {first.topic}: {first.detail}",
            "See `posta topics plan`.",
        )
    return ok("kafka", f"{settings.kafka.bootstrap_servers} answers, topics as declared")


async def database(settings: ServiceSettings) -> Finding:
    """Ask whether the database answers, with every migration run."""
    try:
        found = await migrations.status(settings.database.url.get_secret_value())
    except PostaError as exc:
        return fail("database", f"{exc}", "Check POSTA_DATABASE__URL and the server.")
    if found.pending:
        return fail("database", f"{len(found.pending)} migrations are pending", "Run `posta db migrate`.")
    return ok("database", f"answers, all {len(found.applied)} migrations have run")

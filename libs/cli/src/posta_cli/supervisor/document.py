"""PURE: the document `posta status --json` prints, and the lines `posta status` prints from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """One service as it stands."""

    url: str
    pid: int | None
    ready: bool
    """Its `/health/ready` answers 200 now."""
    restarts: int
    """How often the supervisor started it again after it died."""
    phase: str
    """See `posta_cli.supervisor.unit.Phase`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """An embedded server, or one the person brought (`pid` is None, `embedded` is False)."""

    embedded: bool
    pid: int | None
    ready: bool
    restarts: int


def document(
    *,
    services: Mapping[str, ServiceStatus],
    kafka: ServerStatus,
    bootstrap_servers: str,
    database: ServerStatus,
    database_url: str,
    sandbox: Mapping[str, Any] | None,
    mail: ServerStatus | None,
    credentials: Mapping[str, Any],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the status document.

    `ready` is true when every part of the system is. `database.url` holds the password and
    `credentials` the generated keys: tests and scripts need them, `human` shows neither.
    """
    parts: list[bool] = [kafka.ready, database.ready, bool(services)]
    parts += [service.ready for service in services.values()]
    parts += [mail.ready] if mail else []
    parts += [bool(sandbox["ready"])] if sandbox else []
    return {
        "ready": all(parts),
        **about,
        "services": {name: asdict(service) for name, service in services.items()},
        "kafka": {"bootstrap_servers": bootstrap_servers, **asdict(kafka)},
        "database": {"url": database_url, **asdict(database)},
        "mail": asdict(mail) if mail else None,
        "sandbox": dict(sandbox) if sandbox else None,
        "credentials": dict(credentials),
    }


def masked(url: str) -> str:
    """Return the URL with its password replaced by `***`."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))


def human(status: Mapping[str, Any]) -> list[str]:
    """Return the lines a person reads: no password and no key in them."""
    head = "ready" if status["ready"] else "NOT ready"
    lines = [f"Posta {status['version']} in {status['home']} is {head} (pid {status['pid']})", ""]
    for name, service in status["services"].items():
        state = "ready" if service["ready"] else service["phase"].replace("ready", "not ready")
        lines.append(_line(name, state, service, service["url"]))
    for name, address in (
        ("kafka", status["kafka"]["bootstrap_servers"]),
        ("database", masked(status["database"]["url"])),
    ):
        server = status[name]
        where = address if server["embedded"] else f"{address} (yours)"
        lines.append(_line(name, "ready" if server["ready"] else "not ready", server, where))
    if status["mail"]:
        server = status["mail"]
        lines.append(_line("mail", "ready" if server["ready"] else "not ready", server, ""))
    if status["sandbox"]:
        box = status["sandbox"]
        lines.append(_line("sandbox", "ready" if box["ready"] else "not ready", box, box["url"]))
    return lines


def _line(name: str, state: str, process: Mapping[str, Any], where: str) -> str:
    pid = f"pid {process['pid']}" if process["pid"] else ""
    restarts = f"restarted {process['restarts']}x" if process["restarts"] else ""
    return f"  {name:<13} {state:<14} {pid:<11} {restarts:<14} {where}".rstrip()

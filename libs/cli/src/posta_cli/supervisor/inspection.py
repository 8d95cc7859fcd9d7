"""Asks every part of a running system how it is, and makes the status document of the answers."""

import asyncio
import os
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from posta_cli.supervisor import plan, probe
from posta_cli.supervisor.document import ServerStatus, ServiceStatus, document
from posta_cli.supervisor.surroundings import (
    HOST,
    Surroundings,
    llm_url,
    sandbox_url,
    uses_generated_keys,
    uses_sandbox_discord,
)
from posta_cli.supervisor.system import READY_PATH, System
from posta_cli.supervisor.unit import Phase, Unit

_KAFKA_PORT = 9092
_POSTGRES_PORT = 5432


async def inspect(system: System) -> dict[str, Any]:
    """Return the status document (see `document`); every service is asked now, at the same time."""
    around = system.around
    processes = plan.services(around)
    ready = await asyncio.gather(*(probe.answers_ok(HOST, process.port, READY_PATH) for process in processes))
    services = {
        process.name: ServiceStatus(
            url=process.url,
            pid=system.units[process.name].pid,
            ready=is_ready and system.units[process.name].phase is Phase.READY,
            restarts=system.units[process.name].restarts,
            phase=system.units[process.name].phase,
        )
        for process, is_ready in zip(processes, ready, strict=True)
    }
    return document(
        services=services,
        kafka=await _kafka(system),
        bootstrap_servers=around.bootstrap_servers,
        database=await _database(system),
        database_url=around.database_url,
        sandbox=await _sandbox(system),
        mail=_embedded(system.units["mail"]) if "mail" in system.units else None,
        credentials=credentials_of(around),
        about={
            "version": version("posta-cli"),
            "home": str(around.home.root),
            "pid": os.getpid(),
        },
    )


def credentials_of(around: Surroundings) -> dict[str, Any]:
    """Return the generated secrets that are in use in this run."""
    secret = around.credentials
    found: dict[str, Any] = {}
    if uses_generated_keys(around):
        found |= {"scripts_key": secret.scripts_key, "admin_key": secret.admin_key}
    if around.parts.mail:
        found |= {"mail_address": secret.mail_address, "mail_password": secret.mail_password}
    if uses_sandbox_discord(around):
        found |= {
            "discord_public_key": around.discord_public_key,
            "discord_application_id": secret.application_id,
        }
    return found


def _embedded(unit: Unit) -> ServerStatus:
    return ServerStatus(
        embedded=True,
        pid=unit.pid,
        ready=unit.phase is Phase.READY,
        restarts=unit.restarts,
    )


async def _kafka(system: System) -> ServerStatus:
    if "kafka" in system.units:
        return _embedded(system.units["kafka"])
    first = system.around.bootstrap_servers.partition(",")[0]
    host, _, port = first.rpartition(":")
    return await _brought(host or first, int(port) if port.isdecimal() else _KAFKA_PORT)


async def _database(system: System) -> ServerStatus:
    if "postgres" in system.units:
        return _embedded(system.units["postgres"])
    address = urlsplit(system.around.database_url)
    return await _brought(address.hostname or HOST, address.port or _POSTGRES_PORT)


async def _brought(host: str, port: int) -> ServerStatus:
    ready = await probe.listens(host, port)
    return ServerStatus(embedded=False, pid=None, ready=ready, restarts=0)


async def _sandbox(system: System) -> dict[str, Any] | None:
    unit, around = system.units.get("sandbox"), system.around
    if unit is None:
        return None
    port = around.ports["sandbox"]
    found: dict[str, Any] = {
        "url": sandbox_url(around),
        "llm_url": llm_url(around),
        "pid": unit.pid,
        "ready": unit.phase is Phase.READY and await probe.answers_ok(HOST, port, READY_PATH),
        "restarts": unit.restarts,
    }
    if around.parts.mail:
        found |= {
            "smtp": f"{HOST}:{around.ports['sandbox-smtp']}",
            "imap": f"{HOST}:{around.ports['sandbox-imap']}",
            "mail_address": around.credentials.mail_address,
            "mail_api_url": f"http://{HOST}:{around.ports['mail-api']}",
        }
    return found

"""Checks of the machine: Python, the state folder and its disk, the jars, the ports asked for."""

import os
import shutil
import sys
from collections.abc import Iterable, Mapping

from posta_cli import ports
from posta_cli.doctor.finding import Finding, fail, ok, warn
from posta_cli.errors import CommandError
from posta_cli.home import MIN_FREE_BYTES, Home, nearest_folder, read_ports
from posta_cli.supervisor.surroundings import Parts
from posta_sandbox.embedded import jars
from posta_sandbox.embedded import ports as loopback

OLDEST_PYTHON = (3, 11)
_COMFORTABLE_FREE_BYTES = 4 * MIN_FREE_BYTES


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Ask whether this Python is new enough."""
    text = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return fail("python", f"{text} is too old", "Use Python 3.11 or newer: PYTHON=… make up")
    return ok("python", text)


def home_is_usable(home: Home) -> Finding:
    """Ask whether Posta can keep its state there, and read what it kept."""
    folder = nearest_folder(home)
    if not os.access(folder, os.W_OK | os.X_OK):
        return fail("home", f"{folder} is not writable", "Set POSTA_HOME to another folder.")
    try:
        read_ports(home)
    except CommandError as exc:
        return fail("home", exc.what, exc.remedy)
    return ok("home", f"{home.root}{'' if home.root.exists() else ' (will be made)'}")


def disk(home: Home) -> Finding:
    """Ask whether there is room for Kafka's and PostgreSQL's data."""
    free_bytes = shutil.disk_usage(nearest_folder(home)).free
    text = f"{free_bytes // 2**20} MiB free"
    if free_bytes < MIN_FREE_BYTES:
        return fail("disk", text, "Free some space, or set POSTA_HOME to another disk.")
    if free_bytes < _COMFORTABLE_FREE_BYTES:
        return warn("disk", text, "Free some space soon: a full disk stops Kafka.")
    return ok("disk", text)


def jars_are_cached() -> Finding:
    """Ask whether a start needs Maven Central."""
    listed = jars.parse_list(jars.LIST.read_text(encoding="utf-8"))
    folder = jars.JarStore().folder
    missing = [jar for jar in listed if not (folder / jar.filename).exists()]
    if missing:
        return warn(
            "jars",
            f"{len(missing)} of {len(listed)} are not in {folder} yet",
            "The first `posta up` fetches them from Maven Central: it needs the network once.",
        )
    return ok("jars", f"{len(listed)} in {folder}")


def ports_are_free(given: Mapping[str, str], names: Iterable[str]) -> list[Finding]:
    """Ask whether the ports asked for are valid and free; to be asked while nothing runs."""
    asked = [name for name in names if given.get(ports.VARIABLES[name])]
    found = []
    for name in asked:
        try:
            chosen = ports.choose([name], given, {}, is_free=loopback.is_free, free_port=loopback.free_port)
            found.append(ok("ports", f"{ports.VARIABLES[name]}={chosen[name]} is free"))
        except CommandError as exc:
            found.append(fail("ports", exc.what, exc.remedy))
    return found or [ok("ports", "none asked for: free ones are chosen")]


def brought(parts: Parts) -> list[Finding]:
    """Say which servers are the person's own."""
    found = []
    if not parts.kafka:
        found.append(ok("kafka", "yours (POSTA_KAFKA__BOOTSTRAP_SERVERS is set)"))
    if not parts.postgres:
        found.append(ok("database", "yours (POSTA_DATABASE__URL is set)"))
    return found

"""Which port each process listens on: the one asked for, else the last one, else a free one."""

from collections.abc import Callable, Iterable, Mapping

import psutil

from posta_cli.errors import PortTakenError

VARIABLES: dict[str, str] = {
    "kafka": "POSTA_KAFKA_PORT",
    "postgres": "POSTA_POSTGRES_PORT",
    "mail-smtp": "POSTA_MAIL_SMTP_PORT",
    "mail-imap": "POSTA_MAIL_IMAP_PORT",
    "mail-api": "POSTA_MAIL_API_PORT",
    "sandbox": "POSTA_SANDBOX__PORT",
    "sandbox-smtp": "POSTA_SANDBOX__SMTP_PORT",
    "sandbox-imap": "POSTA_SANDBOX__IMAP_PORT",
    "ingress": "POSTA_INGRESS_PORT",
    "llm-worker": "POSTA_LLM_WORKER_PORT",
    "email-poller": "POSTA_EMAIL_POLLER_PORT",
    "notifier": "POSTA_NOTIFIER_PORT",
    "dlq-admin": "POSTA_DLQ_ADMIN_PORT",
}
"""Listener → the variable that fixes its port."""


def choose(
    names: Iterable[str],
    given: Mapping[str, str],
    kept: Mapping[str, int],
    *,
    is_free: Callable[[int], bool],
    free_port: Callable[[frozenset[int]], int],
) -> dict[str, int]:
    """Return a port for each name, all different; `free_port` gives one that is not in its argument.

    Raises PortTakenError when one that was asked for is in use, is no port, or is asked for twice.
    """
    chosen: dict[str, int] = {}
    names = tuple(names)
    for name in (name for name in names if given.get(VARIABLES[name])):
        chosen[name] = _asked(name, given, chosen, is_free)
    for name in (name for name in names if name not in chosen):
        port = kept.get(name)
        if port is None or port in chosen.values() or not is_free(port):
            port = free_port(frozenset(chosen.values()))
        chosen[name] = port
    return chosen


def owner_of(port: int) -> str:
    """Name the process that listens on `port`, as far as this user may see it."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port:
                name = psutil.Process(connection.pid).name() if connection.pid else "unknown"
                return f"pid {connection.pid} ({name})"
    except psutil.Error:
        return "another process"
    return "another process"


def _asked(
    name: str,
    given: Mapping[str, str],
    chosen: Mapping[str, int],
    is_free: Callable[[int], bool],
) -> int:
    variable, text = VARIABLES[name], given[VARIABLES[name]]
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:  # noqa: PLR2004  TCP's range
        raise PortTakenError(
            f"{variable}={text} is no TCP port.",
            "Set it to a number from 1 to 65535, or unset it: a free port is chosen.",
        )
    port = int(text)
    if port in chosen.values():
        raise PortTakenError(
            f"{variable}={port} is asked for twice.",
            "Give each listener its own port, or unset one: a free port is chosen.",
        )
    if not is_free(port):
        raise PortTakenError(
            f"Port {port} ({variable}) is in use by {owner_of(port)}.",
            f"Stop that process, or set {variable} to another port, or unset it.",
        )
    return port

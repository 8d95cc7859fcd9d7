"""The state folder (`POSTA_HOME`, by default `./.posta`): what lies where, and whether it may be used.

.posta/
    state.json          the layout version and the ports of the last run
    secrets.json        generated secrets, readable by their owner only
    kafka/ postgres/ mail/      the embedded servers' data
    services/<name>/    files a service keeps (ingress: its spool)
    logs/               one file per process
    run/                the lock and the address of the running supervisor
"""

import errno
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from posta_cli.errors import UnusableHomeError

LAYOUT = 1
"""Raised when a newer Posta can no longer read what an older one left here."""

MIN_FREE_BYTES = 256 * 1024 * 1024
"""Below this, Kafka and PostgreSQL would stop in the middle of their work."""

_CONTENTS = ("kafka", "postgres", "mail", "services", "logs", "run", "sandbox")
_FILES = ("secrets.json", "state.json")


@dataclass(frozen=True, slots=True)
class Home:
    """Paths inside one state folder; nothing is read or written by making one."""

    root: Path

    @property
    def state_file(self) -> Path:
        """Where the layout version and the last ports are."""
        return self.root / "state.json"

    @property
    def secrets_file(self) -> Path:
        """Where the generated secrets are (mode 0600)."""
        return self.root / "secrets.json"

    @property
    def logs(self) -> Path:
        """Where each process's log file is."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Where the lock and the running supervisor's address are."""
        return self.root / "run"

    @property
    def lock_file(self) -> Path:
        """Held (flock) by the supervisor for as long as it lives."""
        return self.run / "lock"

    @property
    def address_file(self) -> Path:
        """How to reach the running supervisor (mode 0600: it holds the token)."""
        return self.run / "supervisor.json"

    def log_of(self, process: str) -> Path:
        """Return the log file of one process."""
        return self.logs / f"{process}.log"

    @property
    def services(self) -> Path:
        """Where each service makes a folder of its own for files it keeps."""
        return self.root / "services"


def locate(env: Mapping[str, str]) -> Home:
    """Return the home that `POSTA_HOME` names, or `./.posta`, as an absolute path."""
    return Home(Path(env.get("POSTA_HOME") or ".posta").expanduser().absolute())


def prepare(home: Home, *, min_free_bytes: int = MIN_FREE_BYTES) -> None:
    """Create the folder's layout, or raise UnusableHomeError saying why it cannot be used."""
    _refuse_foreign(home)
    try:
        free_bytes = shutil.disk_usage(nearest_folder(home)).free
        if free_bytes < min_free_bytes:
            raise UnusableHomeError(
                f"The disk of {home.root} has {free_bytes // 2**20} MiB left;"
                f" Kafka and PostgreSQL need at least {min_free_bytes // 2**20} MiB.",
                "Free some space, or set POSTA_HOME to a folder on another disk.",
            )
        home.root.mkdir(parents=True, exist_ok=True)
        home.root.chmod(0o700)
        for folder in (home.logs, home.run, home.services):
            folder.mkdir(exist_ok=True)
    except OSError as exc:
        raise unusable(home, exc) from exc
    if not home.state_file.exists():
        save_ports(home, {})


def nearest_folder(home: Home) -> Path:
    """Return the home, or the folder nearest to it that exists."""
    return next(folder for folder in (home.root, *home.root.parents) if folder.exists())


def read_ports(home: Home) -> dict[str, int]:
    """Return the ports of the last run; raise UnusableHomeError for a state from another layout."""
    try:
        state = json.loads(home.state_file.read_text(encoding="utf-8"))
        layout = int(state["layout"])
        ports = {str(name): int(port) for name, port in state["ports"].items()}
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise unusable(home, exc) from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise UnusableHomeError(
            f"{home.state_file} is damaged ({type(exc).__name__}).",
            "Remove that file: only the choice of ports is lost.",
        ) from exc
    if layout != LAYOUT:
        raise UnusableHomeError(
            f"{home.root} has layout {layout}, written by another version of Posta;"
            f" this one reads layout {LAYOUT}.",
            "Use the version that wrote it, set POSTA_HOME to another folder,"
            " or start anew with `posta down --wipe`.",
        )
    return ports


def save_ports(home: Home, ports: Mapping[str, int]) -> None:
    """Write the layout version and the ports for the next run."""
    write_private(home, home.state_file, {"layout": LAYOUT, "ports": dict(ports)})


def write_private(home: Home, path: Path, document: Mapping[str, object]) -> None:
    """Write JSON that only its owner may read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as exc:
        raise unusable(home, exc) from exc


def wipe(home: Home) -> None:
    """Remove what Posta keeps in the folder, and the folder if nothing else is in it."""
    _refuse_foreign(home)
    try:
        for name in _CONTENTS:
            if (home.root / name).exists():
                shutil.rmtree(home.root / name)
        for name in _FILES:
            (home.root / name).unlink(missing_ok=True)
        if home.root.exists() and not any(home.root.iterdir()):
            home.root.rmdir()
    except OSError as exc:
        raise unusable(home, exc) from exc


def unusable(home: Home, exc: OSError) -> UnusableHomeError:
    """Say what an operating system error about the state folder means for its owner."""
    path = exc.filename or home.root
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return UnusableHomeError(
            f"The disk of {home.root} is full ({path}).",
            "Free some space, or set POSTA_HOME to a folder on another disk.",
        )
    return UnusableHomeError(
        f"{path} cannot be used: {exc.strerror or exc}.",
        "Make it readable and writable for you, or set POSTA_HOME to another folder.",
    )


def _refuse_foreign(home: Home) -> None:
    """Refuse a folder that holds something and was not made by Posta, before touching it."""
    try:
        if not home.root.exists() or home.state_file.exists():
            return
        strangers = {entry.name for entry in home.root.iterdir()} - {*_CONTENTS, *_FILES}
    except OSError as exc:
        raise unusable(home, exc) from exc
    if strangers:
        raise UnusableHomeError(
            f"{home.root} holds other things ({', '.join(sorted(strangers)[:3])}) and no state of Posta.",
            "Set POSTA_HOME to an empty folder or one that does not exist yet.",
        )

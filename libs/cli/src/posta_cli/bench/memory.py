"""How much memory this process holds, and has held at most, in MiB."""

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_mib() -> float:
    """The most that was resident since the program was loaded.

    Not ``ru_maxrss`` on Linux: it starts at what the *parent* held when it started this process.
    """
    found = _from_status("VmHWM:")
    if found is not None:
        return found
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10


def resident_mib() -> float:
    """What is resident now; where the system does not say, the most so far."""
    found = _from_status("VmRSS:")
    return peak_mib() if found is None else found


def _from_status(field: str) -> float | None:
    try:
        lines = _STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith(field)), None)

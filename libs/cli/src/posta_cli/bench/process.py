"""One run of one contender: a process of its own, its result, and what its CPU time came to.

Its output goes to a file, as a service's does; the end of it is quoted when the run fails.
"""

import asyncio
import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from posta_cli.errors import CommandError

_STOP_S = 30.0
_TAIL_BYTES = 4_000


async def run_process(
    argv: list[str], *, env: Mapping[str, str], result: Path, output: Path, timeout_s: float
) -> Mapping[str, Any]:
    """Run the contender to its end and return its result. Raises CommandError when it gives none."""
    with output.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *argv, env=dict(env), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            async with asyncio.timeout(timeout_s):
                code = await process.wait()
        except TimeoutError:
            code = None
        finally:
            await _end(process)
    return _read(result, code, argv[0], output)


def _read(result: Path, code: int | None, program: str, output: Path) -> Mapping[str, Any]:
    if not result.exists():
        how = "did not end in time" if code is None else f"ended with code {code}"
        raise CommandError(f"{program} {how}; it wrote:\n{_tail(output)}", "See the lines above.")
    found: Mapping[str, Any] = json.loads(result.read_text("utf-8"))
    return found


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _tail(output: Path) -> str:
    return output.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace")

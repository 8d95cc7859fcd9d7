"""The variables a person gave: the process environment, over a `.env` file in the working folder."""

from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values


def read_given(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return `environ` with what `folder/.env` adds to it; the environment wins."""
    file = dotenv_values(folder / ".env", interpolate=False)
    return {**{name: value for name, value in file.items() if value is not None}, **environ}


def has(given: Mapping[str, str], *names: str) -> bool:
    """Tell whether one of these is set and not empty, as itself or from a file (`<name>_FILE`)."""
    return any(given.get(name) or given.get(f"{name}_FILE") for name in names)

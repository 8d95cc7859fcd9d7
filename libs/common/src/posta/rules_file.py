"""Reads a YAML file of rules into its model, or says which file, which path in it and why not."""

import contextlib
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from posta.errors import ConfigurationError

M = TypeVar("M", bound=BaseModel)
_MAX_BYTES = 1_048_576
_Fast = getattr(yaml, "CSafeLoader", None)


def read_rules(path: Path, model: type[M]) -> M:
    """The rules in the YAML file ``path`` as ``model``.

    Raises ``ConfigurationError`` naming the file, each wrong path in it and the reason; values are
    not quoted, because a secret may have been pasted where its variable's name belongs.
    """
    try:
        return model.model_validate(_parse(path))
    except ValidationError as exc:
        faults = "; ".join(
            f"{'/'.join(str(part) for part in error['loc']) or '(top)'}: {error['msg']}"
            for error in exc.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"{path}: {faults}") from None


def _parse(path: Path) -> object:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as exc:
        raise ConfigurationError(
            f"{path}: cannot be read: {exc.strerror}. POSTA_CONFIG_DIR names the folder of the rules."
        ) from None
    if len(text) > _MAX_BYTES:
        raise ConfigurationError(f"{path}: larger than {_MAX_BYTES} bytes")
    try:
        return _load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        reason = getattr(exc, "problem", None) or type(exc).__name__
        raise ConfigurationError(f"{path}: {where}: not YAML: {reason}") from None


def _load(text: bytes) -> object:
    if _Fast is not None:
        # Ten times as fast, which a start with large rules feels; the other says better what is wrong.
        with contextlib.suppress(yaml.YAMLError, UnicodeDecodeError):
            return yaml.load(text, Loader=_Fast)  # noqa: S506 - it is the safe loader in C
    return yaml.safe_load(text)

"""Reads `docker-compose.yml` as Compose would: YAML merges, then `${VARIABLE}` from an environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
PUBLIC_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
"""Of RFC 8032 §7.1, test 1: a point of the curve, as ingress insists on."""

_REFERENCE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<rule>[-?])(?P<rest>[^}]*))?\}")


class NotGiven(Exception):
    """A variable that the file asks for with `:?` is unset or empty."""


def document() -> dict[str, Any]:
    """The file with its merges carried out and its variables still in it."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def interpolated(text: str, environ: Mapping[str, str]) -> str:
    """The text with its variables filled in. Raises `NotGiven`."""

    def value(match: re.Match[str]) -> str:
        given = environ.get(match["name"], "")
        if match["rule"] == "?" and not given:
            raise NotGiven(match["name"])
        return given or (match["rest"] if match["rule"] == "-" else "")

    return _REFERENCE.sub(value, text)


def environment(service: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What the service's process would find in its environment. Raises `NotGiven`."""
    declared = document()["services"][service]["environment"]
    return {name: interpolated(str(text), environ) for name, text in declared.items()}


def asked_for() -> set[str]:
    """Every variable without which Compose refuses to start."""
    return {m["name"] for m in _REFERENCE.finditer(FILE.read_text(encoding="utf-8")) if m["rule"] == "?"}


def references(text: str) -> dict[str, str | None]:
    """The variables in a text, each with the default the file gives it."""
    return {m["name"]: m["rest"] if m["rule"] == "-" else None for m in _REFERENCE.finditer(text)}

"""Secrets leave the ledger's text before anyone can read it there."""

import re
from collections.abc import Iterable, Mapping

MASK = "***"
_PATH = re.compile(r"(/(?:webhooks|interactions)/\d+/)([^/?#\s\"']+)")
_JSON_SECRET = re.compile(r'("(?:token|api_key|password|secret)"\s*:\s*)"[^"]*"')
_SECRET_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "x-api-key", "api-key"})


def masked_text(text: str) -> str:
    """Return text with the tokens of webhook and interaction paths and of JSON fields masked."""
    return _JSON_SECRET.sub(rf'\1"{MASK}"', _PATH.sub(rf"\1{MASK}", text))


def masked_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return headers as [name, value] pairs, credentials masked."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [[name, MASK if name.lower() in _SECRET_HEADERS else masked_text(value)] for name, value in pairs]

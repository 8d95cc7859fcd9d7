"""Takes secrets and addresses out of what a dead letter shows; the original bytes stay as they are.

A dead letter is whatever somebody managed to send, so every pattern here runs in linear time, and
secrets are recognised in JSON, in JSON that is broken or quoted inside a string, and in plain text.
"""

import re
from collections.abc import Callable
from typing import Any

from posta.domain.redaction import MASK, redact

_SECRET_ENDS = (
    "token", "tokens", "secret", "secrets", "password", "passwd", "passphrase", "authorization", "apikey",
    "accesskey", "privatekey", "cookie", "credential", "credentials", "webhook", "webhookurl",
)  # fmt: skip
_COUNT_END = "tokens"
"""A field that ends so may be a count (``max_tokens``): a number in it is shown."""
_PUNCTUATION = re.compile(r"[^a-z0-9]")

_JSON_FIELD = re.compile(r'"((?:[^"\\]|\\.){0,80}+)"(\s{0,20}:\s{0,20})"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_QUOTED_JSON_FIELD = re.compile(r'(\\{1,7}")([^"\\]{0,80}+)(\\{1,7}"\s{0,20}:\s{0,20}\\{1,7}")[^"\\]*+')
_ASSIGNMENT = re.compile(r"(?<![\w-])([\w-]{1,60}+)(=|:[ ]?)([^\s&\"';,<>]++)")
_AUTHORIZATION = re.compile(r"(authorization[ ]{0,5}[:=][ ]{0,5})[^\r\n\"']++", re.IGNORECASE)
"""A scheme and its credential are two words: the rest of the line goes."""
_ESCAPED_SLASHES = re.compile(r"(\\/(?:webhooks|interactions)\\/\d++\\/)[\w.\-]++")
_ADDRESS = re.compile(r"(?<![\w.+%-])([\w.+%-])[\w.+%-]*+@([\w-]++(?:\.[\w-]++)*+)")

Mask = Callable[[str], str]


def mask_secrets(text: str) -> str:
    """``text`` without credentials; addresses stay."""
    text = _JSON_FIELD.sub(_json_field, text)
    text = _QUOTED_JSON_FIELD.sub(_quoted_field, text)
    text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
    text = _ASSIGNMENT.sub(_assignment, text)
    text = _ESCAPED_SLASHES.sub(rf"\1{MASK}", text)
    return redact(text)


def mask_all(text: str) -> str:
    """``text`` without credentials, and mail addresses reduced to ``c***@example.com``."""
    return _ADDRESS.sub(r"\1***@\2", mask_secrets(text))


def mask_json(value: Any, mask: Mask) -> Any:
    """A parsed JSON value with every text masked, and every field that is named as a secret replaced.

    Raises ``RecursionError`` when it is nested deeper than Python follows.
    """
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [mask_json(item, mask) for item in value]
    if isinstance(value, dict):
        return {mask(name): _field(name, item, mask) for name, item in value.items()}
    return value


def names_a_secret(name: str) -> bool:
    """Whether a field or header so named holds a credential: ``token``, ``X-Api-Key``, ``webhookUrl``."""
    return _PUNCTUATION.sub("", name.lower()).endswith(_SECRET_ENDS)


def _field(name: str, item: Any, mask: Mask) -> Any:
    if not names_a_secret(name) or item is None or isinstance(item, bool):
        return mask_json(item, mask)
    is_count = isinstance(item, int | float) and _PUNCTUATION.sub("", name.lower()).endswith(_COUNT_END)
    return item if is_count else MASK


def _json_field(found: re.Match[str]) -> str:
    return f'"{found[1]}"{found[2]}"{MASK}"' if names_a_secret(found[1]) else found[0]


def _quoted_field(found: re.Match[str]) -> str:
    return found[1] + found[2] + found[3] + MASK if names_a_secret(found[2]) else found[0]


def _assignment(found: re.Match[str]) -> str:
    return found[1] + found[2] + MASK if names_a_secret(found[1]) else found[0]

"""What Discord checks in a message's form, and how it says what is wrong. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

CONTENT_CHARS = 2000
EMBEDS = 10
EMBEDS_CHARS = 6000
ACTION_ROWS = 5
COMPONENTS_V2 = 40
ATTACHMENTS = 10

FLAG_SUPPRESS_EMBEDS = 1 << 2
FLAG_EPHEMERAL = 1 << 6
FLAG_LOADING = 1 << 7
FLAG_SUPPRESS_NOTIFICATIONS = 1 << 12
FLAG_COMPONENTS_V2 = 1 << 15
_FLAGS_ALLOWED = (
    FLAG_SUPPRESS_EMBEDS | FLAG_EPHEMERAL | FLAG_SUPPRESS_NOTIFICATIONS | 1 << 13
) | FLAG_COMPONENTS_V2

_MENTION_KINDS = ("roles", "users", "everyone")
_SNOWFLAKE = re.compile(r"\d{1,20}")

Errors = dict[str, Any]
Check = Callable[[Any], Errors]


def problem(code: str, message: str) -> Errors:
    """Return one field's error in Discord's shape."""
    return {"_errors": [{"code": code, "message": message}]}


def message_problems(body: Mapping[str, Any]) -> Errors:
    """Return the nested errors of a message's form; empty when it is well formed."""
    checks: dict[str, Check] = {
        "content": text(CONTENT_CHARS),
        "username": _username,
        "avatar_url": url,
        "thread_name": text(100),
        "tts": _boolean,
        "flags": _flags,
        "embeds": _embeds,
        "allowed_mentions": _allowed_mentions,
        "components": _components,
    }
    errors = form(checks, body)
    if _number(body.get("flags")) & FLAG_COMPONENTS_V2:
        for name in ("content", "embeds", "poll", "stickers"):
            if body.get(name):
                errors[name] = problem(
                    "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                    f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
                )
    return errors


def form(checks: Mapping[str, Check], body: Mapping[str, Any]) -> Errors:
    """Run each field's check on the fields that are there and not null."""
    found = {name: check(body[name]) for name, check in checks.items() if body.get(name) is not None}
    return {name: errors for name, errors in found.items() if errors}


def text(max_chars: int, *, min_chars: int = 0) -> Check:
    """Check a string's length in Unicode code points, as Discord counts them."""

    def check(value: Any) -> Errors:
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            return problem("STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')
        length = len(str(value).strip())
        if length > max_chars:
            return problem("BASE_TYPE_MAX_LENGTH", f"Must be {max_chars} or fewer in length.")
        if length < min_chars:
            return problem("BASE_TYPE_REQUIRED", "This field is required")
        return {}

    return check


def url(value: Any) -> Errors:
    """Check a web address of at most 2048 characters."""
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or not parts.netloc:
        return problem("URL_TYPE_INVALID_URL", "Not a well formed URL.")
    if parts.scheme not in ("http", "https"):
        return problem(
            "URL_TYPE_INVALID_SCHEME", f"Scheme \"{parts.scheme}\" must be one of ('http', 'https')."
        )
    return text(2048)(value)


def _username(value: Any) -> Errors:
    errors = text(80, min_chars=1)(value)
    taken = next((w for w in ("clyde", "discord") if w in str(value).lower()), None)
    if errors or taken is None:
        return errors
    return problem("USERNAME_INVALID_CONTAINS", f'Username cannot contain "{taken}"')


def _boolean(value: Any) -> Errors:
    return {} if isinstance(value, bool) else problem("BOOLEAN_TYPE_CONVERT", "Must be boolean.")


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _integer(low: int, high: int) -> Check:
    def check(value: Any) -> Errors:
        if not isinstance(value, int) or isinstance(value, bool):
            return problem("NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
        if not low <= value <= high:
            return problem("NUMBER_TYPE_MAX", f"int value should be between {low} and {high}.")
        return {}

    return check


def _flags(value: Any) -> Errors:
    errors = _integer(0, 2**31 - 1)(value)
    if errors or not value & ~_FLAGS_ALLOWED:
        return errors
    return problem("MESSAGE_FLAGS_INVALID", "These message flags cannot be set here.")


def _each(value: Any, check: Check, *, at_most: int) -> Errors:
    if not isinstance(value, list):
        return problem("LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
    if len(value) > at_most:
        return problem("BASE_TYPE_MAX_LENGTH", f"Must be {at_most} or fewer in length.")
    found = {str(index): check(item) for index, item in enumerate(value)}
    return {index: errors for index, errors in found.items() if errors}


def _object(checks: Mapping[str, Check], *, required: Iterable[str] = ()) -> Check:
    def check(value: Any) -> Errors:
        if not isinstance(value, Mapping):
            return problem("MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
        errors = form(checks, value)
        for name in required:
            if not str(value.get(name) or "").strip():
                errors[name] = problem("BASE_TYPE_REQUIRED", "This field is required")
        return errors

    return check


def _timestamp(value: Any) -> Errors:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return problem("DATE_TIME_TYPE_PARSE", f"Could not parse {value}. Should be ISO8601.")
    return {}


_FIELD = _object({"name": text(256), "value": text(1024), "inline": _boolean}, required=("name", "value"))
_EMBED = _object(
    {
        "title": text(256),
        "description": text(4096),
        "url": url,
        "timestamp": _timestamp,
        "color": _integer(0, 0xFFFFFF),
        "footer": _object({"text": text(2048), "icon_url": url}, required=("text",)),
        "author": _object({"name": text(256), "url": url, "icon_url": url}, required=("name",)),
        "image": _object({"url": url}, required=("url",)),
        "thumbnail": _object({"url": url}, required=("url",)),
        "fields": lambda value: _each(value, _FIELD, at_most=25),
    }
)


def _embeds(value: Any) -> Errors:
    errors = _each(value, _EMBED, at_most=EMBEDS)
    if errors or sum(embed_chars(embed) for embed in value) <= EMBEDS_CHARS:
        return errors
    return problem("MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {EMBEDS_CHARS}")


def embed_chars(embed: Mapping[str, Any]) -> int:
    """Count what the 6000 characters per message are about, white space at the ends apart."""
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    texts += [part for f in embed.get("fields") or [] for part in (f.get("name"), f.get("value"))]
    return sum(len(str(part).strip()) for part in texts if part is not None)


def _allowed_mentions(value: Any) -> Errors:
    checks: dict[str, Check] = {
        "parse": lambda v: _each(v, _mention_kind, at_most=3),
        "users": lambda v: _each(v, _snowflake, at_most=100),
        "roles": lambda v: _each(v, _snowflake, at_most=100),
        "replied_user": _boolean,
    }
    errors = _object(checks)(value)
    if errors:
        return errors
    for kind in ("users", "roles"):
        if kind in (value.get("parse") or []) and value.get(kind):
            return problem(
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.',
            )
    return {}


def _mention_kind(value: Any) -> Errors:
    if value in _MENTION_KINDS:
        return {}
    return problem("BASE_TYPE_CHOICES", f"Value must be one of {_MENTION_KINDS}.")


def _snowflake(value: Any) -> Errors:
    if _SNOWFLAKE.fullmatch(str(value)):
        return {}
    return problem("NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')


def _components(value: Any) -> Errors:
    errors = _each(value, _object({}, required=("type",)), at_most=COMPONENTS_V2)
    if errors:
        return errors
    rows = [c for c in value if c.get("type") == 1]
    if len(rows) == len(value) and len(rows) > ACTION_ROWS:
        return problem("BASE_TYPE_MAX_LENGTH", f"Must be {ACTION_ROWS} or fewer in length.")
    found = {str(i): _row(c) for i, c in enumerate(value) if c.get("type") == 1}
    errors = {index: row for index, row in found.items() if row}
    ids = [c.get("custom_id") for row in rows for c in row.get("components") or []]
    named = [i for i in ids if i]
    if not errors and len(named) != len(set(named)):
        return problem("COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
    return errors


_INNER = _object(
    {"custom_id": text(100, min_chars=1), "label": text(80), "url": text(512), "placeholder": text(150)},
    required=("type",),
)


def _row(row: Mapping[str, Any]) -> Errors:
    errors = _each(row.get("components") or [], _INNER, at_most=5)
    return {"components": errors} if errors else {}

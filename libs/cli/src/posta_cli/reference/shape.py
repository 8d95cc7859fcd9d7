"""PURE: what a fragment of JSON schema allows, said in a few words."""

import json
import re
from collections.abc import Mapping
from typing import Any

from posta_cli.reference.markdown import code

Schema = Mapping[str, Any]

_FORMATS = {"password": "secret", "path": "path", "date-time": "RFC 3339 time", "uri": "URL"}
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
}
_LONGEST_PATTERN = 60
"""A longer pattern tells nobody anything; the description does."""
_NO_CONTROLS = re.compile(r"\^\[\^\\x00-\\x1f\\x7f(-\\x9f)?]\+\$")
_HUGE = 2**62
"""Such a limit is that of 64-bit numbers, and none that a person would meet."""


def describe(schema: Schema) -> str:
    """Return the type and the limits, such as ``whole number, 1 to 9``."""
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join(code(choice) for choice in schema["enum"])
    for variants in ("anyOf", "oneOf"):
        if variants in schema:
            said = [describe(variant) for variant in schema[variants]]
            return ("; or " if any(", " in one for one in said) else " or ").join(said)
    if "$ref" in schema:
        return _name_of(schema["$ref"])
    kind = _kind(schema)
    limits = _limits(schema)
    return f"{kind}, {limits}" if limits else kind


def is_nullable(schema: Schema) -> bool:
    """Tell whether null is allowed."""
    return any(variant.get("type") == "null" for variant in schema.get("anyOf", ()))


def value(given: object) -> str:
    """Return a default or an example as a person would write it: ``3600``, not ``3600.0``."""
    if isinstance(given, float) and given.is_integer():
        return str(int(given))
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _kind(schema: Schema) -> str:
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    match schema.get("type"):
        case "array":
            return f"list of {describe(schema.get('items', {}))}"
        case "object":
            return "object"
        case None:
            return "any JSON"
        case kind:
            return _TYPES.get(kind, str(kind))


def _limits(schema: Schema) -> str:
    said = [
        _range(
            schema, low="minimum", high="maximum", above="exclusiveMinimum", below="exclusiveMaximum", unit=""
        ),
        _range(schema, low="minLength", high="maxLength", unit=" characters"),
        _range(schema, low="minItems", high="maxItems", unit=" items"),
    ]
    pattern = schema.get("pattern", "")
    if _NO_CONTROLS.fullmatch(pattern):
        said.append("no control characters")
    elif 0 < len(pattern) <= _LONGEST_PATTERN:
        said.append(f"matching {code(pattern)}")
    return ", ".join(filter(None, said))


def _range(schema: Schema, *, low: str, high: str, above: str = "", below: str = "", unit: str) -> str:
    least, most = schema.get(low), schema.get(high)
    if most is not None and most >= _HUGE:
        most = None
    if unit and least == 1 and most is None:
        return "not empty"
    if least is not None and most is not None:
        return f"{value(least)} to {value(most)}{unit}"
    said = [
        f"{word} {value(schema[name])}{unit}"
        for word, name in (("at least", low), ("above", above), ("at most", high), ("below", below))
        if name in schema and schema[name] < _HUGE
    ]
    return ", ".join(said)


def _name_of(reference: str) -> str:
    return reference.rpartition("/")[2]

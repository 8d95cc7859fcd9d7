"""PURE: one operation of an OpenAPI description as Markdown."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from posta_cli.reference import shape
from posta_cli.reference.markdown import code, prose, table

Description = Mapping[str, Any]
_COLUMNS = ("field", "type", "required", "default", "meaning")


def operations(description: Description) -> Iterator[tuple[str, str, Description]]:
    """Return method, path and description of every operation, in the order of the description."""
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def render(operation: Description, components: Description) -> Iterator[str]:
    """Return what it does, its parameters, its body and its answers."""
    yield prose(operation.get("description") or operation["summary"]).removesuffix(".") + "."
    if operation.get("parameters"):
        yield table(
            ("parameter", "in", "type", "required", "default"),
            (_parameter(one, components) for one in operation["parameters"]),
        )
    body = operation.get("requestBody")
    if body:
        yield "Body" + (f": {body['description']}" if "description" in body else ":")
        for content in body["content"].values():
            yield from _schema(content["schema"], components)
    yield "Answers: " + ", ".join(_answer(status) for status in operation["responses"]) + "."


def _parameter(parameter: Description, components: Description) -> tuple[str, ...]:
    schema = _with_choices(parameter["schema"], components)
    return (
        code(parameter["name"]),
        parameter["in"],
        shape.describe(schema),
        "yes" if parameter.get("required") else "no",
        _default(schema),
    )


def _with_choices(schema: Description, components: Description) -> Description:
    """The schema with the choices of an enumeration in place of its name."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_with_choices(one, components) for one in schema["anyOf"]]}
    named = components.get(schema.get("$ref", "").rpartition("/")[2], {})
    return named if "enum" in named else schema


def _schema(schema: Description, components: Description, seen: tuple[str, ...] = ()) -> Iterator[str]:
    """Return the fields of a schema, then those of the schemas it refers to."""
    for name in _references(schema):
        if name not in seen:
            yield from _named(name, components[name], components, (*seen, name))
    if "properties" in schema:
        yield _fields(schema)


def _named(name: str, schema: Description, components: Description, seen: tuple[str, ...]) -> Iterator[str]:
    about = prose(schema.get("description"))
    yield f"**{name}**" + (f": {about}" if about else "")
    yield _fields(schema)
    for field in schema.get("properties", {}).values():
        yield from _schema(field, components, seen)


def _references(schema: Description) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for variant in schema.get("anyOf", ()):
        yield from _references(variant)


def _fields(schema: Description) -> str:
    required = schema.get("required", ())
    return table(
        _COLUMNS,
        (
            (
                code(name),
                shape.describe(field),
                "yes" if name in required else "no",
                _default(field),
                prose(field.get("description")),
            )
            for name, field in schema.get("properties", {}).items()
        ),
    )


def _default(schema: Description) -> str:
    return code(shape.value(schema["default"])) if schema.get("default") is not None else ""


def _answer(status: str) -> str:
    return f"{status} {HTTPStatus(int(status)).phrase}"

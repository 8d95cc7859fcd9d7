"""The environment variables that a settings class reads, each with its type, default and meaning."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from posta_cli.reference import docstrings, shape

SECRET_SHOWN = "**********"  # noqa: S105 - what pydantic shows in a secret's place
_DELIMITER = "__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One environment variable of one service."""

    name: str
    allowed: str
    """Type and limits, in words."""
    is_required: bool
    is_secret: bool
    has_default: bool
    """A default that says something: neither none nor a secret left empty."""
    default: str
    """As it would be written; empty when there is none, it is empty, or it is a secret."""
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The variables of one group, or those that stand in no group."""

    field: str
    """Name of the group's field; empty for the variables outside any group."""
    model: type[BaseModel]
    variables: tuple[Variable, ...]


def sections(settings: type[BaseModel]) -> tuple[Section, ...]:
    """Return every variable of `settings`, by group, in the order of its source."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    groups = [
        Section(
            field=field,
            model=model,
            variables=tuple(_variables(model, f"{prefix}{field.upper()}{_DELIMITER}")),
        )
        for field, model in _groups(settings).items()
    ]
    alone = tuple(_variables(settings, prefix))
    return (*groups, Section(field="", model=settings, variables=alone)) if alone else tuple(groups)


def variables(settings: type[BaseModel]) -> dict[str, Variable]:
    """Return every variable of `settings` by its name."""
    return {one.name: one for section in sections(settings) for one in section.variables}


def _groups(settings: type[BaseModel]) -> dict[str, type[BaseModel]]:
    found = {}
    for name, field in settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found[name] = kind
    return found


def _variables(model: type[BaseModel], prefix: str) -> Iterator[Variable]:
    schemas: dict[str, Any] = model.model_json_schema()["properties"]
    meanings = docstrings.of_fields(model)
    groups = _groups(model)
    for name, field in model.model_fields.items():
        if name not in groups:
            yield _variable(prefix + name.upper(), schemas[name], field, meanings.get(name, ""))


def _variable(name: str, schema: dict[str, Any], field: FieldInfo, meaning: str) -> Variable:
    default = schema.get("default")
    is_secret = schema.get("writeOnly") or any(one.get("writeOnly") for one in schema.get("anyOf", ()))
    return Variable(
        name=name,
        allowed=shape.describe(_without_null(schema)),
        is_required=field.is_required(),
        is_secret=bool(is_secret),
        has_default=default is not None and not (is_secret and default == ""),
        default="" if default in (None, SECRET_SHOWN) else shape.value(default),
        meaning=meaning,
    )


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """An environment variable is set or not: it cannot be null."""
    variants = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return {"anyOf": variants} if variants else schema

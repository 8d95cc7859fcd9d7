"""The fields of a pydantic model as a table: name, type, whether it must be there, meaning."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from posta_cli.reference import docstrings, shape
from posta_cli.reference.markdown import code, one_line, table

COLUMNS = ("field", "type", "required", "default", "meaning")


def fields(model: type[BaseModel], *, mode: JsonSchemaMode = "validation") -> str:
    """Return the table of one model; a nested model is named, not shown."""
    schema = model.model_json_schema(mode=mode)
    required = set(schema.get("required", ()))
    meanings = docstrings.of_fields(model)
    return table(
        COLUMNS,
        (
            (
                code(name),
                shape.describe(field),
                "yes" if name in required else "no",
                _default(field),
                one_line(meanings.get(name) or field.get("description", "")),
            )
            for name, field in schema.get("properties", {}).items()
        ),
    )


def _default(field: dict[str, Any]) -> str:
    if "default" not in field:
        return ""
    default = field["default"]
    return '`""`' if default == "" else code(shape.value(default))

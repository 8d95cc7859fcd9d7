"""Reads what stands below a field, an enum member or a constant: the string that Python itself drops."""

import ast
import inspect
import sys
from functools import cache
from itertools import pairwise
from types import ModuleType


def of_fields(owner: type) -> dict[str, str]:
    """Return the docstring of each documented attribute of a class, inherited ones included."""
    found: dict[str, str] = {}
    for cls in reversed(owner.__mro__):
        if cls.__module__.partition(".")[0] not in _FOREIGN:
            found |= _below(_body(cls))
    return found


def of_constants(module: ModuleType) -> dict[str, str]:
    """Return the docstring of each documented name at the top level of a module."""
    return _below(ast.parse(inspect.getsource(module)).body)


_FOREIGN = frozenset({"builtins", "pydantic", "pydantic_settings", "enum", "abc", "typing"})
"""Packages whose classes describe themselves, not our fields."""


def _body(cls: type) -> list[ast.stmt]:
    return _classes(sys.modules[cls.__module__])[cls.__name__]


@cache
def _classes(module: ModuleType) -> dict[str, list[ast.stmt]]:
    """The body of each class at the top level of a module; reading one takes a while."""
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}


def _below(body: list[ast.stmt]) -> dict[str, str]:
    found = {}
    for statement, following in pairwise(body):
        name = _assigned(statement)
        if (
            name is not None
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found[name] = inspect.cleandoc(following.value.value)
    return found


def _assigned(statement: ast.stmt) -> str | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            return None

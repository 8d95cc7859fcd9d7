"""commands.md: what `posta --help` says, of every command."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from posta_cli.reference.markdown import NOTHING, block, code, one_line, page, prose, table

NAME = "posta"

_INTRODUCTION = """\
An expected failure is two lines on stderr, what happened and what to do, and an
[exit code](errors.md#exit-codes)."""

Command = Any
"""A command as typer builds it; the class belongs to typer's insides."""


def render(root: Command) -> str:
    """Return the page; `root` is the whole command line."""
    return page("Commands", prose(root.help), _INTRODUCTION, *_commands(NAME, root))


def _commands(path: str, group: Command) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        if command.hidden:
            continue
        full_name = f"{path} {name}"
        yield f"## {full_name}\n\n{prose(command.help)}"
        if hasattr(command, "commands"):
            yield from _commands(full_name, command)
        else:
            yield from _usage(full_name, command)


def _usage(full_name: str, command: Command) -> Iterator[str]:
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    yield block(" ".join([full_name, *map(_in_usage, shown)]), "text")
    if shown:
        yield table(("option", "default", "meaning"), map(_row, shown))


def _in_usage(parameter: Command) -> str:
    word = _word(parameter)
    return word if parameter.required else f"[{word}]"


def _word(parameter: Command) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper() + ("..." if parameter.nargs == -1 else "")
    longest: str = max(parameter.opts, key=len)
    return longest if parameter.is_flag else f"{longest} {str(parameter.name).upper()}"


def _row(parameter: Command) -> tuple[str, ...]:
    is_argument = parameter.param_type_name == "argument"
    spelt = _word(parameter) if is_argument else ", ".join((*parameter.opts, *parameter.secondary_opts))
    return (code(spelt), _default(parameter), one_line(getattr(parameter, "help", None)))


def _default(parameter: Command) -> str:
    if parameter.required:
        return "**required**"
    default = parameter.default
    is_plain = isinstance(default, (str, int, float, PurePath)) and not isinstance(default, bool)
    return code(default) if is_plain else NOTHING

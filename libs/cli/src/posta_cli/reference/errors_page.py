"""errors.md: the errors Posta raises on purpose, what becomes of a record, and the exit codes."""

from collections.abc import Iterator
from typing import TypeVar

from posta import errors, service
from posta.domain.retry import ErrorClass
from posta.errors import PostaError
from posta_cli.errors import CommandError
from posta_cli.reference import docstrings
from posta_cli.reference.markdown import block, code, one_line, page, prose, table

E = TypeVar("E", bound=Exception)


def render() -> str:
    """Return the page."""
    return page(
        "Errors",
        "## The tree\n\nThe class of an error says what happens next.",
        block(_diagram(errors.__doc__), "text"),
        table(("error", "is a", "meaning"), map(_row, _below(PostaError))),
        "## Error classes\n\nWhat the header `posta-error-class` and the label `cause` say.",
        _classes(),
        "## Exit codes\n\n### Services",
        prose((service.__doc__ or "").rpartition("\n\n")[2]),
        "### posta, the command",
        table(
            ("code", "error", "meaning"),
            ((str(one.exit_code), code(one.__name__), one_line(one.__doc__)) for one in _below(CommandError)),
        ),
    )


def _below(root: type[E]) -> Iterator[type[E]]:
    """The root and what is below it in the same module; adapters have refinements of their own."""
    yield root
    for child in sorted(root.__subclasses__(), key=lambda one: one.__name__):
        if child.__module__ == root.__module__:
            yield from _below(child)


def _row(error: type[PostaError]) -> tuple[str, ...]:
    parent = "" if error is PostaError else error.__mro__[1].__name__
    return (code(error.__name__), code(parent), one_line(error.__doc__))


def _classes() -> str:
    meanings = docstrings.of_fields(ErrorClass)
    return table(
        ("class", "meaning"), ((code(one.value), one_line(meanings.get(one.name))) for one in ErrorClass)
    )


def _diagram(docstring: str | None) -> str:
    lines = (docstring or "").splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    "))

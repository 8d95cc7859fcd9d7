"""PURE: the few pieces of Markdown that the pages are made of."""

from collections.abc import Iterable, Sequence

MARK = "<!-- Made from the code by `make reference`. Do not edit. -->"
NOTHING = "\N{EN DASH}"


def page(title: str, *parts: str) -> str:
    """Return a whole page: the mark that it is generated, its title, its parts."""
    return "\n\n".join((MARK, f"# {title}", *(part.strip("\n") for part in parts if part))) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; an empty cell shows a dash, a line break in a cell becomes a blank."""
    lines = [_row(columns), _row(["---"] * len(columns))]
    lines += [_row([_cell(text) for text in row]) for row in rows]
    return "\n".join(lines)


def code(text: object) -> str:
    """Return `text` as inline code, or nothing when it is empty."""
    return f"`{text}`" if str(text) else ""


def codes(texts: Iterable[object]) -> str:
    """Return each text as inline code, comma-separated."""
    return ", ".join(code(text) for text in texts)


def block(text: str, language: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{text.strip()}\n```"


def prose(docstring: str | None) -> str:
    """Return a docstring as Markdown: its double backticks single, its paragraphs kept."""
    return (docstring or "").replace("``", "`").strip()


def one_line(docstring: str | None) -> str:
    """Return a docstring as one line of Markdown."""
    return " ".join(prose(docstring).split())


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|") or NOTHING

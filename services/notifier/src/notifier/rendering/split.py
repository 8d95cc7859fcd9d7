"""Splits an answer into messages at places where Markdown stays what it was.

Pure. A paragraph, a list and a code block each stay whole when they fit into one message; a list
that does not is split between its items, a code block between its lines (closed, and opened again
in its language), a paragraph between lines, sentences or words; links, inline code, bold text and
spoilers are never cut unless one alone is longer than a message. Discord counts code points.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from posta.domain.language import Language

_FENCE = "```"
_REOPENED_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.\-]{0,20}")
_ITEM = re.compile(r"\s{0,6}(?:[-*+•]|\d{1,9}[.)])\s")
_ATOM = re.compile(
    r"!?\[[^\]\n]{0,500}\]\([^)\s]{1,1500}\)"  # a link
    r"|<[^<>\s]{1,1500}>"  # a mention, an emoji, an address without preview
    r"|https?://\S{1,1500}"
    r"|```[^`]{1,1500}```|``[^`]{1,1000}``|`[^`\n]{1,1000}`"
    r"|\|\|[^|]{1,1500}\|\||\*\*[^*\n]{1,1000}\*\*|__[^_\n]{1,1000}__|~~[^~\n]{1,1000}~~"
)
_SENTENCE_END = re.compile(r"[.!?…:;。]['\")\]]*\s+")
_SPACE = re.compile(r"\s+")
_WORTH = 0.5
"""A better place to cut is taken unless it leaves more than this share of the message empty."""
_CLUSTER = 16
"""How far back a cut within a word looks for the beginning of a visible character."""
_CONTINUES: dict[Language, str] = {
    "en": "… *(continues in the attached file)*",
    "es": "… *(continúa en el archivo adjunto)*",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """An answer as messages, in order."""

    parts: tuple[str, ...]
    rest: str | None = None
    """What did not fit into so many messages, for a file; None when all did."""


def split_answer(text: str, language: Language, *, limit: int = 2000, most: int = 5) -> Split:
    """``text`` in at most ``most`` messages of ``limit`` code points; no part is blank."""
    parts = split_markdown(text, limit)
    if len(parts) <= most:
        return Split(parts=tuple(parts))
    note = f"\n{_CONTINUES[language]}"
    last, *rest = split_markdown("\n".join(parts[most - 1 :]), limit - len(note))
    return Split(parts=(*parts[: most - 1], last + note), rest="\n".join(rest))


def split_markdown(text: str, limit: int) -> list[str]:
    """``text`` in pieces of at most ``limit`` code points, each closed in itself."""
    parts: list[str] = []
    current = ""
    for block in _blocks(text.strip("\n")):
        joined = f"{current}\n{block}" if current else block
        if _size(joined) <= limit:
            current = joined
            continue
        if current.strip():
            parts.append(current)
        *full, current = _pieces(block.lstrip("\n"), limit)
        parts += full
    if current.strip():
        parts.append(current)
    return [tidy for part in parts if (tidy := _closed(part).strip())]


def _size(part: str) -> int:
    return len(_closed(part))


def _closed(part: str) -> str:
    return f"{part}\n{_FENCE}" if part.count(_FENCE) % 2 else part


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs, lists and code blocks; joined by line feeds they are the text again."""
    block: list[str] = []
    in_fence = False
    for line in text.split("\n"):
        toggles = bool(line.count(_FENCE) % 2)
        if block and not in_fence and _begins_block(block, line, toggles=toggles):
            yield "\n".join(block)
            block = []
        block.append(line)
        in_fence ^= toggles
        if toggles and not in_fence:
            yield "\n".join(block)
            block = []
    if block:
        yield "\n".join(block)


def _begins_block(block: list[str], line: str, *, toggles: bool) -> bool:
    """Whether ``line`` is no more of the paragraph or list that ``block`` is."""
    if toggles and line.lstrip().startswith(_FENCE):
        return True
    is_blank, was_blank = not line.strip(), not block[-1].strip()
    if is_blank or not was_blank:
        starts_list = _ITEM.match(line) is not None
        return not is_blank and starts_list and not was_blank and not _is_list(block)
    # A list goes on after a blank line with another item, or with what is indented.
    return not (_is_list(block) and (_ITEM.match(line) or line.startswith("  ")))


def _is_list(block: list[str]) -> bool:
    first = next((line for line in block if line.strip()), "")
    return _ITEM.match(first) is not None


def _pieces(block: str, limit: int) -> list[str]:
    """One block in pieces of at most ``limit``; the last one may have room left."""
    if _size(block) <= limit:
        return [block]
    if block.count(_FENCE) >= 1 and block.split("\n", 1)[0].count(_FENCE) % 2:
        return _code_pieces(block, limit)
    lines = block.split("\n")
    if _is_list(lines):
        return _packed(_items(lines), limit)
    return _prose_pieces(block, limit)


def _items(lines: list[str]) -> list[str]:
    items: list[str] = []
    for line in lines:
        if items and not _ITEM.match(line):
            items[-1] += f"\n{line}"
        else:
            items.append(line)
    return items


def _packed(items: list[str], limit: int) -> list[str]:
    pieces: list[str] = []
    current = ""
    for item in items:
        joined = f"{current}\n{item}" if current else item
        if len(joined) <= limit:
            current = joined
            continue
        if current:
            pieces.append(current)
        *full, current = _prose_pieces(item, limit) if len(item) > limit else [item]
        pieces += full
    return [*pieces, current]


def _code_pieces(block: str, limit: int) -> list[str]:
    first, _, code = block.partition("\n")
    before, _, after = first.rpartition(_FENCE)
    found = _REOPENED_LANGUAGE.fullmatch(after.strip())
    opening = _FENCE + (after.strip() if found else "")
    if not found:
        code = f"{after}\n{code}"
    code, _, behind = code.rpartition(_FENCE) if code.count(_FENCE) % 2 else (code, "", "")
    room = limit - len(opening) - len(_FENCE) - 2
    pieces = [f"{opening}\n{piece}\n{_FENCE}" for piece in _code_lines(code.rstrip("\n"), room)]
    head = _prose_pieces(before, limit) if before.strip() else []
    tail = _prose_pieces(behind, limit) if behind.strip() else []
    return [*head, *pieces, *tail]


def _code_lines(code: str, room: int) -> Iterator[str]:
    current: str | None = None
    for line in code.split("\n"):
        left = line
        while len(left) > room:
            if current is not None:
                yield current
                current = None
            cut = _cluster_start(left, room)
            yield left[:cut]
            left = left[cut:]
        joined = left if current is None else f"{current}\n{left}"
        if len(joined) <= room:
            current = joined
        else:
            yield current or ""
            current = left
    if current is not None:
        yield current


def _prose_pieces(text: str, limit: int) -> list[str]:
    pieces = []
    while len(text) > limit:
        cut = _cut(text, limit)
        pieces.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
    return [*pieces, text]


def _cut(text: str, limit: int) -> int:
    """Where to cut ``text``, which is longer than ``limit``: the best place at or before it."""
    atoms = [found.span() for found in _ATOM.finditer(text[: limit + 2000])]
    atoms = [(start, end) for start, end in atoms if end - start <= limit]

    def is_free(place: int) -> bool:
        return not any(start < place < end for start, end in atoms)

    window = text[: limit + 1]
    for pattern, worth in ((r"\n", _WORTH), (_SENTENCE_END, _WORTH), (_SPACE, 0.0)):
        places = [m.end() for m in re.finditer(pattern, window)]
        places = [p for p in places if worth * limit < p <= limit and is_free(p)]
        if places:
            return places[-1]
    begun = [start for start, end in atoms if 0 < start < limit < end]
    return begun[0] if begun else _cluster_start(text, limit)


def _cluster_start(text: str, cut: int) -> int:
    """At or a little before ``cut``, where no visible character is torn apart."""
    for place in range(cut, max(1, cut - _CLUSTER), -1):
        if not any(_joins(c) for c in text[place : place + 1]) and text[place - 1] != "\u200d":
            return place
    return cut


def _joins(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me", "Mc") or character == "\u200d"

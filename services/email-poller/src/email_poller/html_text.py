"""PURE: the readable text of an HTML mail, with quoted parts marked as ``>`` lines."""

import re
from html import unescape
from html.parser import HTMLParser

MAX_HTML_CHARS = 400_000
_UNSEEN = ("script", "style", "head", "title", "template", "noscript", "svg", "object")
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div", "dl", "dt",
        "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main",
        "nav", "ol", "p", "pre", "section", "table", "tr", "ul",
    }
)  # fmt: skip
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "table"})
_VOID = frozenset({"br", "hr", "img", "input", "meta", "link", "col", "wbr", "area", "base", "source"})
_MAX_QUOTE_DEPTH = 5


def html_to_text(html: str) -> str:
    """The text a reader of ``html`` would see; empty when there is none."""
    shown = _without_unseen(html)[:MAX_HTML_CHARS]
    reader = _Reader()
    try:
        reader.feed(shown)
        reader.close()
    except AssertionError:  # how html.parser refuses some declarations that browsers pass over
        return unescape(re.sub(r"<[^<>]*>", " ", shown)).strip()
    return reader.text()


def _without_unseen(html: str) -> str:
    # Mail programs put whole style sheets in front of the text, and HTMLParser is slow on comments.
    html = _cut(html, "<!--", "-->")
    for tag in ("style", "script"):
        html = _cut(html, f"<{tag}", f"</{tag}")
    return html


def _cut(html: str, begin: str, end: str) -> str:
    lower = html.lower()
    if len(lower) != len(html):  # a letter whose lower case is longer: positions would not agree
        lower = html
    kept, at = [], 0
    while (start := lower.find(begin, at)) >= 0:
        kept.append(html[at:start])
        stop = lower.find(end, start)
        if stop < 0:
            return "".join(kept)
        at = stop + len(end)
        if not end.endswith(">"):
            close = lower.find(">", at)
            at = len(html) if close < 0 else close + 1
    kept.append(html[at:])
    return "".join(kept)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = []
        self._line: list[str] = []
        self._hidden: list[str] = []
        self._quotes = 0
        self._blank = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._hidden.append(tag)
        elif tag in _BLOCKS and self._hidden == ["head"]:
            self._hidden.clear()  # it was never closed
        if tag in _BLOCKS:
            self._break(paragraph=tag in _PARAGRAPHS)
        if tag == "blockquote":
            self._quotes += 1
        elif tag in ("td", "th"):
            self._line.append(" ")
        elif tag == "img":
            alt = dict(attrs).get("alt")
            if alt and not self._hidden:
                self._line.append(alt)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]
        if tag in _BLOCKS and tag not in _VOID:
            self._break(paragraph=tag in _PARAGRAPHS)
        if tag == "blockquote":
            self._quotes = max(0, self._quotes - 1)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._line.append(data)

    def _break(self, *, paragraph: bool) -> None:
        line = re.sub(r"[ \t\r\n\f\xa0\u200b\u200c\ufeff]+", " ", "".join(self._line)).strip()
        self._line.clear()
        if line:
            mark = "> " * min(self._quotes, _MAX_QUOTE_DEPTH)
            if self._blank and self._lines:
                self._lines.append("")
            self._lines.append(mark + line)
            self._blank = False
        self._blank = self._blank or paragraph

    def text(self) -> str:
        self._break(paragraph=False)
        return "\n".join(self._lines)

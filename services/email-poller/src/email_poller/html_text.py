"""PURE: the readable text of an HTML mail, with quoted parts marked as ``>`` lines."""

import re

from email_poller.html_tokens import Closed, Opened, html_tokens

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
_MAX_QUOTE_DEPTH = 5
_SPACES = re.compile(r"[ \t\r\n\f\xa0\u200b\u200c\ufeff]+")


def html_to_text(html: str) -> str:
    """The text a reader of ``html`` would see; empty when there is none."""
    page = _Page()
    for token in html_tokens(_without_unseen(html)[:MAX_HTML_CHARS]):
        match token:
            case Opened():
                page.open(token)
            case Closed(name):
                page.close(name)
            case text:
                page.write(text)
    return page.text()


def _without_unseen(html: str) -> str:
    # Mail programs put whole style sheets and comments in front of the text.
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


class _Page:
    """The lines written so far, and what the next text is inside of."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._hidden: str | None = None
        """The element whose content nobody sees, while inside one."""
        self._quotes = 0
        self._blank = False

    def open(self, tag: Opened) -> None:
        if self._hidden is None and tag.name in _UNSEEN:
            self._hidden = tag.name
        elif self._hidden == "head" and tag.name in _BLOCKS:
            self._hidden = None  # it was never closed
        if tag.name in _BLOCKS:
            self._break(paragraph=tag.name in _PARAGRAPHS)
        if tag.name == "blockquote":
            self._quotes += 1
        elif tag.name in ("td", "th"):
            self.write(" ")
        self.write(tag.alt)

    def close(self, name: str) -> None:
        if name == self._hidden:
            self._hidden = None
        if name in _BLOCKS:
            self._break(paragraph=name in _PARAGRAPHS)
        if name == "blockquote":
            self._quotes = max(0, self._quotes - 1)

    def write(self, text: str) -> None:
        if self._hidden is None:
            self._line.append(text)

    def text(self) -> str:
        self._break(paragraph=False)
        return "\n".join(self._lines)

    def _break(self, *, paragraph: bool) -> None:
        line = _SPACES.sub(" ", "".join(self._line)).strip()
        self._line.clear()
        if line:
            if self._blank and self._lines:
                self._lines.append("")
            self._lines.append("> " * min(self._quotes, _MAX_QUOTE_DEPTH) + line)
            self._blank = False
        self._blank = self._blank or paragraph

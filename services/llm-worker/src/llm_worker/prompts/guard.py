"""Looks at what a model wrote before anybody sees it: no foreign links, no instruction given away.

link to a host that neither the rules, the catalogue nor the person named ──▶ its text stays, the link goes
mention of people or roles ──▶ written out, so that nobody is called
fourteen words in a row of our instruction ──▶ the whole answer is withheld
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from llm_worker.words.wording import folded

_SCHEME = r"[a-z][a-z0-9+.-]{1,20}://"
_URL = re.compile(rf"(?:\b{_SCHEME}|\bwww\.)[^\s<>()\[\]\"'`]+", re.IGNORECASE)
_MARKDOWN_LINK = re.compile(
    rf"\[([^\[\]\n]{{0,300}})\]\(\s*<?({_SCHEME}[^\s<>()]+)>?[^()\n]{{0,300}}\)", re.IGNORECASE
)
_MENTION = re.compile(r"@(?=everyone\b|here\b)|<@[!&]?(?=\d)|<#(?=\d)", re.IGNORECASE)
_IN_A_ROW = 14
_WORD = re.compile(r"\w+")


def hosts_in(*texts: str) -> frozenset[str]:
    """The hosts of every link in ``texts``."""
    return frozenset(_host(url) for text in texts if _may_link(text) for url in _URL.findall(text))


def guarded(answer: str, *, allowed_hosts: Collection[str]) -> str:
    """``answer`` without links to other hosts and without mentions."""

    def named(match: re.Match[str]) -> str:
        return match[0] if _host(match[2]) in allowed_hosts else match[1]

    def bare(match: re.Match[str]) -> str:
        return match[0] if _host(match[0]) in allowed_hosts else _host(match[0]).replace(".", "[.]")

    text = _URL.sub(bare, _MARKDOWN_LINK.sub(named, answer)) if _may_link(answer) else answer
    return _MENTION.sub(lambda match: match[0][0] + "\u200b" + match[0][1:], text)


def gives_away(answer: str, instruction: str) -> bool:
    """Whether ``answer`` repeats a stretch of ``instruction`` word for word."""
    told = _told(instruction)
    said = " ".join(_WORD.findall(folded(answer)))
    return any(half in said for half in told.halves) and any(stretch in said for stretch in told.stretches)


@dataclass(frozen=True, slots=True)
class _Told:
    """An instruction, as it is looked for."""

    stretches: tuple[str, ...]
    halves: tuple[str, ...]
    """Half as long and end to end: every stretch holds one of them whole, and there are far fewer."""


@lru_cache(maxsize=16)  # one for each language and kind of prompt, the same for every answer
def _told(instruction: str) -> _Told:
    words, half = _WORD.findall(folded(instruction)), _IN_A_ROW // 2
    return _Told(
        tuple(" ".join(words[at : at + _IN_A_ROW]) for at in range(len(words) - _IN_A_ROW + 1)),
        tuple(" ".join(words[at : at + half]) for at in range(0, len(words) - half + 1, half)),
    )


def _may_link(text: str) -> bool:
    """Whether there may be any link: in most texts there is none, and to look at each word takes longer."""
    return "://" in text or "www." in text.casefold()


def _host(url: str) -> str:
    try:
        return (urlsplit(url if "://" in url else f"//{url}").hostname or "").casefold()
    except ValueError:
        return ""

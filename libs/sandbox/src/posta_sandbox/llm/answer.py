"""The deterministic answer: it quotes the question and carries its hash. Pure."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

QUOTED_CHARS = 200
_TOKEN = re.compile(r"\w{1,4}|[^\w\s]")
_TOKENS_PER_MESSAGE = 4
_BLOCK = re.compile(r"\s*<(?P<tag>\w+)>\s*(?P<inside>.*?)\s*</(?P=tag)>\s*", re.DOTALL)
_FILLER = "This line makes the answer as long as the sandbox was asked to make it. "


def question_of(messages: Sequence[dict[str, Any]]) -> str:
    """Return the text of the last user message; parts of type text are joined.

    A prompt that sets its parts off as data, each between an opening and a closing tag, is unwrapped:
    the last part is the question, and what the person asked is what they should find quoted.
    """
    for message in reversed(messages):
        if message.get("role") == "user":
            text = text_of(message.get("content"))
            blocks = list(_BLOCK.finditer(text))
            is_all = "".join(block[0] for block in blocks) == text
            return blocks[-1]["inside"] if blocks and is_all else text
    return ""


def text_of(content: Any) -> str:
    """Return a message's content as text."""
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def fingerprint(question: str) -> str:
    """Return the 8 hex digits by which a test knows the question again."""
    return hashlib.sha256(question.encode()).hexdigest()[:8]


def answer(question: str, *, at_least_chars: int = 0) -> str:
    """Return the answer to a question; the same question always gets the same one."""
    said = f'Answer to "{question[:QUOTED_CHARS]}" [{fingerprint(question)}]'
    missing = at_least_chars - len(said) - 2
    if missing <= 0:
        return said
    filler = (_FILLER * (missing // len(_FILLER) + 1))[:missing]
    return f"{said}\n\n{filler}"


def count_tokens(text: str) -> int:
    """Estimate tokens: a word counts one for each four letters, a sign counts one."""
    return len(_TOKEN.findall(text))


def count_prompt_tokens(messages: Sequence[dict[str, Any]]) -> int:
    """Estimate the tokens of a conversation."""
    return sum(_TOKENS_PER_MESSAGE + count_tokens(text_of(m.get("content"))) for m in messages)


def cut_to_tokens(text: str, max_tokens: int) -> str:
    """Return the beginning of a text that has at most this many tokens."""
    for seen, match in enumerate(_TOKEN.finditer(text)):
        if seen == max_tokens:
            return text[: match.start()].rstrip()
    return text


def pieces(text: str) -> Iterator[str]:
    """Return a text in the pieces in which a stream sends it."""
    return (match.group() for match in re.finditer(r"\s*\S+|\s+$", text))

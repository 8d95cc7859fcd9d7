"""A prompt made of parts, each in a block of its own that no text inside can end.

    <catalogue>     at most 2 000 characters, three products
    <conversation>  the summary of what was said, and the last turns
    <question>      what the person asks now

When it has to be shorter, the oldest turns go first, then the summary, then the catalogue; the question
is cut last.
"""

import re
from dataclasses import dataclass, field, replace

from llm_worker.catalogue.product import Product
from llm_worker.conversation.turn import Past
from llm_worker.prompt import Prompt
from llm_worker.text import cap, sanitize

_TAG = re.compile(r"<(?=\s*/?\s*(?:question|catalogue|conversation)\b)", re.IGNORECASE)
_SHORTEST_CHARS = 40
"""A question cut further says nothing."""
_TURN_CHARS = 1_500
_BETWEEN = "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What goes into the blocks."""

    question: str
    catalogue: str = ""
    past: Past = field(default_factory=Past)
    products: tuple[Product, ...] = ()
    """Those that ``catalogue`` tells of."""
    quotes: bool = False
    """Whether prices and stocks in the answer must be the catalogue's."""

    def blocks(self) -> dict[str, str]:
        """The text of each block that is not empty, by its name, in the prompt's order."""
        texts = {"catalogue": self.catalogue, "conversation": _told(self.past), "question": self.question}
        return {
            name: f"<{name}>\n{_TAG.sub('&lt;', text)}\n</{name}>" for name, text in texts.items() if text
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedPrompt(Prompt):
    """A prompt that knows its parts, so that it can be shortened sensibly."""

    parts: Parts

    @property
    def pieces(self) -> tuple[str, ...]:
        """See ``Prompt``: the instruction, the blocks, and what stands between these."""
        blocks = tuple(self.parts.blocks().values())
        return (self.system, *blocks, *[_BETWEEN] * (len(blocks) - 1))

    def shortened(self, share: float) -> "ComposedPrompt | None":
        """The same in ``share`` of its length; None when hardly anything of the question would be left."""
        room = int(len(self.user) * share)
        parts = self.parts
        for shorter in _shorter(parts):
            if len(_joined(parts)) <= room:
                break
            parts = shorter
        if len(_joined(parts)) > room:
            chars = room - len(_joined(replace(parts, question="?"))) + 1
            if chars < _SHORTEST_CHARS:
                return None
            parts = replace(parts, question=cap(parts.question, chars))
        return compose(self.system, parts)


def compose(system: str, parts: Parts) -> ComposedPrompt:
    """The prompt of these parts."""
    return ComposedPrompt(system=system, user=_joined(parts), parts=parts)


def _shorter(parts: Parts) -> list[Parts]:
    """Ever less of what stands beside the question."""
    past = parts.past
    steps = [
        replace(parts, past=replace(past, turns=past.turns[at:])) for at in range(1, len(past.turns) + 1)
    ]
    steps.append(replace(parts, past=Past()))
    steps.append(replace(parts, past=Past(), catalogue=""))
    return steps


def _joined(parts: Parts) -> str:
    return _BETWEEN.join(parts.blocks().values())


def _told(past: Past) -> str:
    lines = [f"Summary of what was said before: {sanitize(past.summary)}"] if past.summary else []
    for turn in past.turns:
        lines.append(f"Person: {cap(sanitize(turn.question), _TURN_CHARS)}")
        lines.append(f"Answer: {cap(sanitize(turn.answer), _TURN_CHARS)}")
    return "\n".join(lines)

"""What a conversation consists of, and how much of it the next prompt is shown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One question and its answer."""

    number: int
    """Ascending within the conversation."""
    question: str
    answer: str
    tokens: int
    """Of both, as estimated (never less than there are)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTurn:
    """A question and its answer on their way into the conversation."""

    conversation: str
    person: str
    """Who asked, as erasing a person names them."""
    language: str
    event_id: str
    """A turn is added once for each event."""
    question: str
    answer: str
    tokens: int
    """Of both, as estimated (never less than there are)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known of a conversation."""

    summary: str = ""
    """Of the turns before ``turns``; empty: there are none, or they were never summarised."""
    turns: tuple[Turn, ...] = ()
    """The last ones, oldest first."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said before."""
        return not self.summary and not self.turns


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPolicy:
    """How much is remembered, and for how long."""

    turns_limit: int = 3
    """Turns that a prompt is shown (CONTEXT_TURNS_LIMIT)."""
    summary_threshold: int = 5_000
    """Tokens of unsummarised turns above which they are summarised after an answer
    (HISTORIAL_SUMMARY_THRESHOLD)."""
    cleanup_threshold: int = 8_000
    """Tokens above which the regular clean-up summarises what was left (THREAD_TOKEN_THRESHOLD)."""
    cleanup_interval_s: float = 3_600.0
    """Between two clean-ups (CLEANUP_INTERVAL)."""
    retention_s: float = 90 * 86_400.0
    """A conversation without a new turn for so long is deleted."""


def to_summarise(turns: Sequence[Turn], *, keep: int) -> tuple[Turn, ...]:
    """The turns that go into the summary: all but the last ``keep``, which are shown word for word."""
    return tuple(turns[: max(0, len(turns) - keep)])

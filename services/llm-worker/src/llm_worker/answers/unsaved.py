"""Answers that were paid for while the store was away, kept in memory until they can be stored."""

from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from llm_worker.answers.claims import Answer, Claim, Notes
from llm_worker.spending.call import Ended

MAX_ANSWERS = 2000
"""Far more than one process has calls in flight; the oldest goes first, and is paid for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An answer with what storing it needs."""

    claim: Claim
    answer: Answer
    ended: tuple[Ended, ...] = ()
    used: UUID | None = None
    notes: Notes | None = None


class Unsaved:
    """Answers by event id, with the claims under which they may still be stored."""

    def __init__(self, *, max_answers: int = MAX_ANSWERS) -> None:
        self._max_answers = max_answers
        self._answers: OrderedDict[str, Kept] = OrderedDict()

    def keep(self, kept: Kept) -> None:
        """Remember the answer, what it cost, and what is noted with it."""
        event_id = kept.claim.event_id
        self._answers[event_id] = kept
        self._answers.move_to_end(event_id)
        while len(self._answers) > self._max_answers:
            self._answers.popitem(last=False)

    def find(self, event_id: str) -> Kept | None:
        """The answer with its claim and cost, if there is one."""
        return self._answers.get(event_id)

    def drop(self, event_id: str) -> None:
        """Forget it: it is stored, or somebody else's is."""
        self._answers.pop(event_id, None)

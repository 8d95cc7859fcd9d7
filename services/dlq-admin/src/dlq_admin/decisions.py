"""What an admin can decide: replay, discard or release, one or many, through the API or on the page alike."""

from dlq_admin.dead_letter import (
    Action,
    DeadLetter,
    Decided,
    Decision,
    KeyReused,
    RequestKey,
)
from dlq_admin.originals import Originals, Whole
from dlq_admin.redrive import Redrive
from dlq_admin.replay import is_a_question, why_not
from dlq_admin.store import Chosen, Store
from posta.http.problem import Problem
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


class Decisions:
    """Carries decisions out; raises ``Problem`` where the request cannot be granted."""

    def __init__(self, store: Store, redrive: Redrive, originals: Originals, *, lease_s: float) -> None:
        self._store = store
        self._originals = originals
        self._redrive = redrive
        self._lease_s = lease_s

    async def replay_one(
        self,
        dead_letter_id: int,
        *,
        actor: str,
        reason: str | None,
        request: RequestKey | None = None,
        from_scratch: bool = False,
    ) -> DeadLetter:
        """Replay one at once and return it as it is then: ``replayed``, or ``replaying`` while Kafka is away.

        Raises ``Problem`` 404 or 409 (also when it is truncated and its original is gone), or 422 for a
        reused key, or for what no model answers ``from_scratch``.
        """
        letter, whole = await self.with_original(dead_letter_id)
        if whole is not None and (why := why_not(whole.found)):
            _check_one(dead_letter_id, Decided(refused={dead_letter_id: why}))
        if from_scratch and not is_a_question(letter.summary.reading.group):
            raise Problem(
                422,
                "Only questions can be answered from scratch",
                "Replay this without from_scratch: no model was asked for it.",
            )
        decision = _replay(actor, reason, from_scratch)
        decided = await self._claim(
            Chosen(ids=(dead_letter_id,)), decision, lease_s=self._lease_s, request=request
        )
        if not decided.repeated:
            _check_one(dead_letter_id, decided)
            await self._redrive.now(dead_letter_id)
        return await self.found(dead_letter_id)

    async def replay_many(
        self,
        chosen: Chosen,
        *,
        actor: str,
        reason: str | None,
        request: RequestKey | None = None,
        from_scratch: bool = False,
    ) -> Decided:
        """Claim many; they are published in the background, at the set rate.

        ``from_scratch`` concerns the questions among them.
        """
        decision = _replay(actor, reason, from_scratch)
        # Without a lease: whoever runs, this process or the next, takes them up.
        decided = await self._claim(chosen, decision, lease_s=0, request=request)
        self._redrive.soon()
        return decided

    async def discard_one(self, dead_letter_id: int, *, actor: str, reason: str) -> DeadLetter:
        """Discard one. Raises ``Problem`` 404 or 409."""
        _check_one(dead_letter_id, await self._discard(Chosen(ids=(dead_letter_id,)), actor, reason))
        return await self.found(dead_letter_id)

    async def discard_many(self, chosen: Chosen, *, actor: str, reason: str) -> Decided:
        """Discard many at once."""
        return await self._discard(chosen, actor, reason)

    async def release_one(self, dead_letter_id: int, *, actor: str, reason: str) -> DeadLetter:
        """Let the records go on that wait behind one. Raises ``Problem`` 404 or 409."""
        decision = Decision(action=Action.RELEASE, actor=actor, reason=reason)
        decided = await self._store.release(Chosen(ids=(dead_letter_id,)), decision)
        _count(decided, decision, done="started")
        _check_one(dead_letter_id, decided)
        self._redrive.soon()
        return await self.found(dead_letter_id)

    async def with_original(self, dead_letter_id: int) -> tuple[DeadLetter, Whole | None]:
        """The dead letter and, when it is truncated, what became of its original. Raises ``Problem`` 404."""
        found = await self.found(dead_letter_id)
        if not found.record.is_truncated:
            return found, None
        return found, await self._originals.look(found.summary.reading, found.record)

    async def found(self, dead_letter_id: int) -> DeadLetter:
        """The dead letter. Raises ``Problem`` 404."""
        found = await self._store.get(dead_letter_id)
        if found is None:
            raise _missing(dead_letter_id)
        return found

    async def _claim(
        self, chosen: Chosen, decision: Decision, *, lease_s: float, request: RequestKey | None
    ) -> Decided:
        try:
            decided = await self._store.claim(chosen, decision, lease_s=lease_s, request=request)
        except KeyReused:
            raise Problem(
                422,
                "The Idempotency-Key was used for a different request",
                "Use a new key for a new request; send the same request again to repeat it.",
            ) from None
        _count(decided, decision, done="repeated" if decided.repeated else "started")
        return decided

    async def _discard(self, chosen: Chosen, actor: str, reason: str) -> Decided:
        decision = Decision(action=Action.DISCARD, actor=actor, reason=reason)
        decided = await self._store.discard(chosen, decision)
        _count(decided, decision, done="discarded")
        # What was discarded holds its key no longer.
        self._redrive.soon()
        return decided


def _replay(actor: str, reason: str | None, from_scratch: bool) -> Decision:  # noqa: FBT001 - as in Decision
    # The audit trail says it: whoever wonders later why a question was paid for twice looks there.
    if from_scratch:
        reason = f"from scratch: {reason}" if reason else "from scratch"
    return Decision(action=Action.REPLAY, actor=actor, reason=reason, from_scratch=from_scratch)


def _check_one(dead_letter_id: int, decided: Decided) -> None:
    if decided.missing:
        raise _missing(dead_letter_id)
    for why in decided.refused.values():
        raise Problem(
            409,
            "This cannot be done with the dead letter now",
            f"It is left as it is: {why}.",
        )


def _missing(dead_letter_id: int) -> Problem:
    return Problem(404, "There is no such dead letter", f"Look for {dead_letter_id} in the list.")


def _count(decided: Decided, decision: Decision, *, done: str) -> None:
    action = decision.action.value
    names.DLQ_ACTIONS.labels(action, done).inc(len(decided.ids))
    names.DLQ_ACTIONS.labels(action, "conflict").inc(len(decided.refused))
    log.info(
        "dead_letters_decided",
        action=action,
        actor=decision.actor,
        outcome=done,
        count=len(decided.ids),
        conflicts=len(decided.refused),
        first_ids=list(decided.ids[:20]),
    )

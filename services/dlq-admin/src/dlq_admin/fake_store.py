"""A store in memory with the same contract as PostgreSQL's; imported by tests only."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from dlq_admin.dead_letter import (
    Action,
    Alike,
    AuditEntry,
    Bytes,
    DeadLetter,
    Decided,
    Decision,
    Filter,
    Hold,
    KeyReused,
    Reading,
    RequestKey,
    State,
    Summary,
    hold_of,
    refusal,
)
from dlq_admin.store import Backlog, Chosen, Claimed


@dataclass(slots=True)
class _Row:
    summary: Summary
    record: Bytes
    audit: list[AuditEntry] = field(default_factory=list)
    lease_until: datetime | None = None
    from_scratch: bool = False
    release_due: datetime | None = None
    is_released: bool = False

    def shown(self) -> Summary:
        """The row's metadata."""
        hold = hold_of(
            self.summary.state,
            holds_key=self.summary.reading.holds_key,
            is_due=self.release_due is not None,
            is_released=self.is_released,
        )
        return replace(self.summary, hold=hold)


class FakeStore:
    """See ``Store``."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._requests: dict[tuple[str, str], tuple[str, tuple[int, ...]]] = {}

    async def add(self, reading: Reading, record: Bytes) -> bool:
        """See ``Store.add``."""
        place = (reading.topic, reading.partition, reading.offset)
        if place in {(r.topic, r.partition, r.offset) for r in self._readings()}:
            return False
        number, now = len(self._rows) + 1, _now()
        summary = Summary(id=number, state=State.OPEN, indexed_at=now, updated_at=now, reading=reading)
        self._rows[number] = _Row(summary, record)
        return True

    async def find(self, wanted: Filter, *, before: int | None, limit: int) -> list[Summary]:
        """See ``Store.find``."""
        fitting = [s for s in self._fitting(wanted) if before is None or s.id < before]
        return sorted(fitting, key=lambda s: -s.id)[:limit]

    async def get(self, dead_letter_id: int) -> DeadLetter | None:
        """See ``Store.get``."""
        row = self._rows.get(dead_letter_id)
        if row is None:
            return None
        mine = row.summary.reading
        others = [
            other.shown()
            for other in self._rows.values()
            if other is not row
            and mine.event_id is not None
            and (other.summary.reading.event_id, other.summary.reading.group) == (mine.event_id, mine.group)
        ]
        return DeadLetter(
            summary=row.shown(), record=row.record, audit=tuple(row.audit), others=tuple(others)
        )

    async def alike(self, wanted: Filter, *, limit: int) -> list[Alike]:
        """See ``Store.alike``."""
        found: dict[tuple[str, str | None], list[Summary]] = {}
        for summary in self._fitting(wanted):
            found.setdefault((summary.reading.group, summary.reading.fingerprint), []).append(summary)
        groups = [
            Alike(
                fingerprint=fingerprint,
                group=group,
                error_class=members[-1].reading.error_class,
                exception_type=members[-1].reading.exception_type,
                reason=members[-1].reading.reason,
                count=len(members),
                oldest=members[0].indexed_at,
                newest=members[-1].indexed_at,
            )
            for (group, fingerprint), members in found.items()
        ]
        return sorted(groups, key=lambda g: (-g.count, -g.newest.timestamp()))[:limit]

    async def claim(
        self, chosen: Chosen, decision: Decision, *, lease_s: float, request: RequestKey | None = None
    ) -> Decided:
        """See ``Store.claim``."""
        if request is not None and (known := self._requests.get((request.actor, request.key))):
            if known[0] != request.request_sha256:
                raise KeyReused
            return Decided(ids=known[1], repeated=True)
        decided = self._choose(chosen, Action.REPLAY)
        for number in decided.ids:
            self._move(number, State.REPLAYING, decision, "started")
            self._rows[number].lease_until = _now() + timedelta(seconds=lease_s)
            self._rows[number].from_scratch = decision.from_scratch
        if request is not None and decided.ids:
            self._requests[request.actor, request.key] = (request.request_sha256, decided.ids)
        return decided

    async def discard(self, chosen: Chosen, decision: Decision) -> Decided:
        """See ``Store.discard``."""
        decided = self._choose(chosen, Action.DISCARD)
        for number in decided.ids:
            self._move(number, State.DISCARDED, decision, "discarded")
            row = self._rows[number]
            if row.summary.reading.holds_key and not row.is_released:
                row.release_due = row.release_due or _now()
        return decided

    async def release(self, chosen: Chosen, decision: Decision) -> Decided:
        """See ``Store.release``."""
        decided = self._choose(chosen, Action.RELEASE)
        for number in decided.ids:
            row = self._rows[number]
            self._move(number, row.summary.state, decision, "started")
            row.release_due = row.release_due or _now()
        return decided

    async def lease_releases(self, *, limit: int, lease_s: float) -> list[Claimed]:
        """See ``Store.lease_releases``."""
        now = _now()
        due = [(n, r) for n, r in sorted(self._rows.items()) if r.release_due and r.release_due <= now]
        for _, row in due[:limit]:
            row.release_due = now + timedelta(seconds=lease_s)
        return [Claimed(id=n, reading=r.summary.reading, record=r.record) for n, r in due[:limit]]

    async def released(self, dead_letter_id: int, *, outcome: str) -> bool:
        """See ``Store.released``."""
        row = self._rows.get(dead_letter_id)
        if row is None or row.release_due is None:
            return False
        row.release_due, row.is_released = None, row.is_released or outcome == "released"
        asked = next(e for e in reversed(row.audit) if e.action in {Action.RELEASE, Action.DISCARD})
        decision = Decision(action=Action.RELEASE, actor=asked.actor, reason=asked.reason)
        self._move(dead_letter_id, row.summary.state, decision, outcome)
        return True

    async def lease(self, *, ids: tuple[int, ...] | None, limit: int, lease_s: float) -> list[Claimed]:
        """See ``Store.lease``."""
        now = _now()
        leased: list[Claimed] = []
        for number, row in sorted(self._rows.items()):
            is_due = row.lease_until is None or row.lease_until <= now
            is_wanted = number in ids if ids is not None else is_due
            if row.summary.state is State.REPLAYING and is_wanted and len(leased) < limit:
                row.lease_until = now + timedelta(seconds=lease_s)
                leased.append(
                    Claimed(
                        id=number,
                        reading=row.summary.reading,
                        record=row.record,
                        from_scratch=row.from_scratch,
                    )
                )
        return leased

    async def finish(self, dead_letter_id: int) -> bool:
        """See ``Store.finish``."""
        return self._end(dead_letter_id, State.REPLAYED, "replayed")

    async def reopen(self, dead_letter_id: int, *, why: str) -> bool:
        """See ``Store.reopen``."""
        return self._end(dead_letter_id, State.OPEN, f"refused: {why}")

    async def backlog(self) -> Backlog:
        """See ``Store.backlog``."""
        waiting = self._fitting(Filter(state=State.OPEN))
        counts: dict[str, int] = {}
        for summary in waiting:
            counts[summary.reading.group] = counts.get(summary.reading.group, 0) + 1
        oldest = min((s.indexed_at for s in waiting), default=_now())
        return Backlog(open_by_group=counts, oldest_s=max(0.0, (_now() - oldest).total_seconds()))

    async def forget_requests(self, *, older_than_s: float) -> None:
        """See ``Store.forget_requests``; here everything is younger than any age above zero."""
        if older_than_s <= 0:
            self._requests.clear()

    def _readings(self) -> list[Reading]:
        return [row.summary.reading for row in self._rows.values()]

    def _fitting(self, wanted: Filter) -> list[Summary]:
        return [row.shown() for row in self._rows.values() if _fits(wanted, row.shown())]

    def _choose(self, chosen: Chosen, action: Action) -> Decided:
        if chosen.filter is None:
            numbers = sorted(set(chosen.ids) & set(self._rows))
        else:
            wanted = replace(chosen.filter, state=State.OPEN)
            numbers = [summary.id for summary in self._fitting(wanted)][: chosen.limit]
        reasons = {number: refusal(self._rows[number].summary.state, action=action) for number in numbers}
        return Decided(
            ids=tuple(n for n, why in reasons.items() if why is None),
            refused={n: why for n, why in reasons.items() if why is not None},
            missing=tuple(sorted(set(chosen.ids) - set(reasons))),
        )

    def _move(self, number: int, state: State, decision: Decision, outcome: str) -> None:
        row = self._rows[number]
        row.summary = replace(row.summary, state=state, updated_at=_now())
        row.audit.append(
            AuditEntry(
                action=decision.action,
                actor=decision.actor,
                reason=decision.reason,
                outcome=outcome,
                at=_now(),
            )
        )

    def _end(self, number: int, state: State, outcome: str) -> bool:
        row = self._rows.get(number)
        if row is None or row.summary.state is not State.REPLAYING:
            return False
        asked = next(e for e in reversed(row.audit) if e.outcome == "started")
        decision = Decision(action=Action.REPLAY, actor=asked.actor, reason=asked.reason)
        self._move(number, state, decision, outcome)
        return True


def _fits(wanted: Filter, summary: Summary) -> bool:
    reading = summary.reading
    pairs = (
        (wanted.group, reading.group),
        (wanted.error_class, reading.error_class),
        (wanted.state, summary.state),
        (wanted.fingerprint, reading.fingerprint),
        (wanted.event_type, reading.event_type),
    )
    if any(want is not None and want != have for want, have in pairs):
        return False
    is_held = reading.holds_key and summary.state is State.OPEN and summary.hold is not Hold.RELEASED
    if wanted.holding and not is_held:
        return False
    if wanted.text is None:
        return True
    needle = wanted.text.lower()
    texts = (
        reading.reason,
        reading.exception_type,
        reading.exception_message,
        reading.event_id,
        reading.event_type,
    )
    if reading.event_id and needle.replace("-", "") == reading.reference.replace("-", "").lower():
        return True
    return needle == reading.trace_id or any(needle in (text or "").lower() for text in texts)


def _now() -> datetime:
    return datetime.now(UTC)

"""PURE: what the ledger and the topics say of a run: lost, out of order, done twice and why.

    source topic ── every record ──┐
    ledger ──── began/ended/… ─────┼─▶ lost · disordered · repeated, explained or not
    faults ──── excuses ───────────┘

A record is known by partition and offset of its source, so what a feeder wrote twice is two records.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from support.chaos.ledger import Did, Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A record of the source topic."""

    partition: int
    offset: int
    key: str
    number: int

    @property
    def record(self) -> tuple[int, int]:
        """Its identity through all lanes."""
        return (self.partition, self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """What a member did in this time may be done again: it was killed, or the group went on without it."""

    why: str
    pid: int
    since: float
    until: float
    """Both in monotonic seconds."""
    also_late: bool = False
    """Whether it may also finish what others have finished meanwhile, as a zombie does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be said of a run."""

    records: int
    completions: int
    cut: int
    """Handlings that were cancelled by a drain that ran out."""
    lost: tuple[tuple[int, int], ...]
    disordered: tuple[str, ...]
    explained: int
    """Completions that were repeated because their member was killed or expelled."""
    unexplained: tuple[str, ...]
    longest_uncommitted_s: float
    """The longest time before its member's end, or before that was noticed, of what was repeated."""

    def __str__(self) -> str:
        return (
            f"{self.records} records, {self.completions} completions, {len(self.lost)} lost, "
            f"{len(self.disordered)} out of order, {self.explained} repeated after a kill -9 or a lost "
            f"session (done up to {self.longest_uncommitted_s:.2f} s before it), "
            f"{len(self.unexplained)} repeated without reason, {self.cut} cut by a drain"
        )


def judge(written: Sequence[Written], entries: Sequence[Entry], excuses: Sequence[Excuse]) -> Verdict:
    """The verdict; ``entries`` in the order of the ledger."""
    completions: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    # What failed then may ride a lane twice: its way there was not confirmed, or not committed.
    doubtful: set[tuple[int, int]] = set()
    for entry in entries:
        if entry.did is Did.ENDED:
            completions[entry.record].append(entry)
        elif entry.did is Did.FAILED and _excuse(excuses, entry) is not None:
            doubtful.add(entry.record)
    unexplained = [
        one
        for record, ended in completions.items()
        if record not in doubtful
        for one in _unexplained(excuses, ended)
    ]
    excused = [
        (one, excuse)
        for ended in completions.values()
        if len(ended) > 1
        for one in ended
        if (excuse := _excuse(excuses, one)) is not None
    ]
    return Verdict(
        records=len(written),
        completions=sum(map(len, completions.values())),
        cut=sum(entry.did is Did.CUT for entry in entries),
        lost=tuple(one.record for one in written if one.record not in completions),
        disordered=tuple(out_of_order(written, entries)),
        explained=sum(map(len, completions.values())) - len(completions) - len(unexplained),
        unexplained=tuple(f"{one} after {completions[one.record][0]}" for one in unexplained),
        longest_uncommitted_s=max((excuse.until - entry.at for entry, excuse in excused), default=0.0),
    )


def out_of_order(written: Iterable[Written], entries: Sequence[Entry]) -> Iterable[str]:
    """Records that were begun before the one before them of their key had ended once.

    Keys of which a handling failed are left out: whether those keep their order is a setting.
    """
    failed = {entry.key for entry in entries if entry.did is Did.FAILED}
    began: dict[tuple[int, int], int] = {}
    ended: dict[tuple[int, int], int] = {}
    for line, entry in enumerate(entries):
        if entry.did is Did.BEGAN:
            began.setdefault(entry.record, line)
        elif entry.did is Did.ENDED:
            ended.setdefault(entry.record, line)
    before: dict[str, Written] = {}
    for one in sorted(written, key=lambda one: (one.partition, one.offset)):
        earlier = before.get(one.key)
        before[one.key] = one
        if earlier is None or one.key in failed:
            continue
        start = began.get(one.record)
        end = ended.get(earlier.record)
        if start is not None and (end is None or start < end):
            yield f"{one} began before {earlier} had ended"


def _unexplained(excuses: Sequence[Excuse], ended: Sequence[Entry]) -> Iterable[Entry]:
    """Repetitions of what had been done by a member that could commit it, by one that should have known."""
    stands = False
    for one in ended:
        excuse = _excuse(excuses, one)
        if stands and not (excuse is not None and excuse.also_late):
            yield one
        stands = stands or excuse is None


def _excuse(excuses: Iterable[Excuse], entry: Entry) -> Excuse | None:
    for excuse in excuses:
        if excuse.pid == entry.pid and excuse.since <= entry.at <= excuse.until:
            return excuse
    return None

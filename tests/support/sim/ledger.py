"""What really happened, written down outside of the engine, and the invariants it is held to meanwhile.

    I1  nothing is lost: each record was answered, or is a dead letter, or a copy of it will be read again
    I2  nothing is answered twice but for a crash or an outcome that nobody knew
    I3  the records of a key start in order, one at a time; with ordered retries also around the lanes
    I4  attempts rise by one, never beyond the policy's
    I5  a dead letter is the original, byte for byte, with all that an admin needs
    I6  a commit names only what is finished, of partitions that are the committer's, and never goes back
    I7  nothing is handled before the time that its last failure asked for

The numbers are those of the fault matrix that the engine's tests follow.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from aiokafka.structs import ConsumerRecord, OffsetAndMetadata, TopicPartition
from support.sim.groups import Group
from support.sim.loop import Life
from support.sim.scenario import Planned, Scenario

from posta.domain.commit_metadata import decode
from posta.domain.envelope import Wire, header
from posta.domain.truncation import SHA256, SIZE, TRUNCATED

_EPSILON_S = 0.0011
"""Times travel in whole milliseconds."""


@dataclass
class Story:
    """One record's way, over all its copies."""

    id: str
    planned: Planned
    seq: int
    wire: Wire
    origin: tuple[TopicPartition, int]
    copies: set[tuple[TopicPartition, int]] = field(default_factory=set)
    answers: int = 0
    dead: int = 0
    is_released: bool = False
    """An admin let those behind it go on."""
    replays: int = 0
    is_sent: bool = False
    """It is in a lane, or on its way there: with independent retries those behind it may go on."""
    rides: int = 0
    handlings: int = 0
    failed_attempts: Counter[int] = field(default_factory=Counter)
    """The highest attempt that has failed, by redrive: an older copy may be done again beside its replay."""
    next_attempt: int = 1
    """Which attempt the next handling is, as far as nothing is forgotten."""
    due: float = 0.0
    """Before this time of its own clock the process that it failed in must not handle it."""
    late_s: list[float] = field(default_factory=list)
    """How long after it was due each later handling started, where nothing had gone wrong."""
    due_in: object = None
    """The ownership that ``due`` belongs to: what waits in memory does not outlive it."""

    @property
    def is_settled(self) -> bool:
        return bool(self.answers or self.dead)


class Ledger:
    """All stories; ``broken`` collects every breach as ``I3: what happened``."""

    def __init__(self, scenario: Scenario, *, max_attempts: int, dlq: str, results: str) -> None:
        self._scenario = scenario
        self._max_attempts = max_attempts
        self._dlq = dlq
        self._results = results
        self.stories: dict[str, Story] = {}
        self.broken: list[str] = []
        self.has_grown = False
        """Keys have moved to other partitions: order across that moment is not promised."""
        self.excuses = 0
        """Crashes and unknown outcomes so far: each may cost a double."""
        self.consumed: dict[TopicPartition, set[int]] = defaultdict(set)
        self.history: list[str] = []
        self._running: dict[Life, Counter[str]] = defaultdict(Counter)
        self._marks: dict[tuple[TopicPartition, int], int] = {}
        self.at: Callable[[], float] = lambda: 0.0
        self.group: Group | None = None

    def breach(self, which: str, what: str) -> None:
        self.broken.append(f"{which}: {what} (at {self.at():.3f})")
        self.note(f"BROKEN {which}: {what}")

    def note(self, what: str) -> None:
        self.history.append(f"{self.at():9.3f}  {what}")

    def written(self, story: Story) -> None:
        self.stories[story.id] = story
        story.copies.add(story.origin)

    @property
    def open_ids(self) -> list[str]:
        return [story.id for story in self.stories.values() if not self._has_ended(story)]

    def _has_ended(self, story: Story) -> bool:
        """Whether those behind it may go on."""
        if self._scenario.holds_keys:
            return bool(story.answers) or story.is_released
        return story.is_settled

    def replayed(self, story: Story) -> None:
        """An admin writes it to a lane again: attempts begin anew, and it may be answered after all."""
        story.replays += 1
        story.due, story.due_in = 0.0, None
        self.note(f"replay {story.id}")

    # The handler

    @contextmanager
    def handling(
        self,
        story: Story,
        life: Life,
        *,
        attempt: int,
        redrive: int,
        not_before: float,
        clock: float,
        ownership: object,
        is_off_lane: bool,
    ) -> Iterator[None]:
        """One call of the handler from start to end, whatever the end is."""
        story.handlings += 1
        self.note(f"{life.name} starts {story.id} key {story.planned.key} attempt {attempt}")
        if not self.excuses and story.due_in == ownership:
            self._check_count(story, attempt)
            if story.due:
                story.late_s.append(clock - story.due)
        name = self._turn(story, is_off_lane=is_off_lane)
        self._check_turn(story, life, name)
        self._check_attempt(story, attempt, failed=story.failed_attempts[redrive])
        if clock < not_before - _EPSILON_S:
            self.breach("I7", f"{story.id} started {not_before - clock:.3f} s before its header says")
        if not self.excuses and story.due_in == ownership and clock < story.due - _EPSILON_S:
            self.breach("I7", f"{story.id} started {story.due - clock:.3f} s before it was due")
        self._running[life][name] += 1
        try:
            yield
        finally:
            self._running[life][name] -= 1

    def failed(
        self,
        story: Story,
        *,
        attempt: int,
        redrive: int,
        due: float,
        ownership: object,
        uses_attempt: bool = True,
    ) -> None:
        """The handling of ``attempt`` failed, and is not to be repeated before ``due`` of its own clock."""
        if uses_attempt:
            story.failed_attempts[redrive] = max(story.failed_attempts[redrive], attempt)
        story.next_attempt = attempt + uses_attempt
        story.due, story.due_in = due, ownership

    def answered(self, story: Story) -> None:
        story.answers += 1
        self.note(f"answered {story.id}")
        if story.answers > 1 and not self.excuses:
            self.breach("I2", f"{story.id} was answered {story.answers} times and nothing had crashed")
        if story.dead > story.replays and not self.excuses:
            self.breach("I5", f"{story.id} is a dead letter and was answered")

    def _turn(self, story: Story, *, is_off_lane: bool) -> str:
        """Those of one name take turns; an independent retry is on its own."""
        line = self._line(story)
        if line is None or (is_off_lane and not self._scenario.ordered):
            return story.id
        return line

    def _line(self, story: Story) -> str | None:
        """What the record must be in order with; None: nothing."""
        match self._scenario.ordering:
            case "UNORDERED":
                return None
            case "PARTITION":
                return f"partition {story.origin[0].partition}"
            case _:
                return None if story.planned.key is None else f"key {story.planned.key}"

    def _check_turn(self, story: Story, life: Life, name: str) -> None:
        if self.has_grown:
            return
        if self._running[life][name] > 0 and not (name == story.id and self.excuses):
            self.breach("I3", f"{story.id} started while another of its key was running")
        if not self.excuses:
            others = [other for other, running in self._running.items() if other is not life]
            if any(self._running[other][name] > 0 for other in others):
                self.breach("I3", f"{story.id} started while another member ran its key")
        line = self._line(story)
        if line is None:
            return
        for other in self.stories.values():
            if self._line(other) != line or other.seq >= story.seq or self._has_ended(other):
                continue
            if self._scenario.ordered or not other.is_sent:
                self.breach("I3", f"{story.id} started before {other.id} of its key had ended")

    def _check_count(self, story: Story, attempt: int) -> None:
        """Within one ownership no failure is forgotten; what the flood breaker keeps was not handled."""
        if self._scenario.flood_row is None and attempt != story.next_attempt:
            self.breach("I4", f"{story.id} is attempt {attempt} and not {story.next_attempt}")

    def _check_attempt(self, story: Story, attempt: int, *, failed: int) -> None:
        if not 1 <= attempt <= self._max_attempts:
            self.breach("I4", f"{story.id} was handled as attempt {attempt}")
        if attempt > failed + 1:
            self.breach("I4", f"{story.id} jumped from attempt {failed} to {attempt}")

    # The broker

    def sent(self, wire: Wire) -> None:
        """A record is about to be written to a lane."""
        story = self.stories.get(header(wire.headers, "ce_id") or "")
        if story is not None:
            story.is_sent = True

    def appended(self, tp: TopicPartition, record: ConsumerRecord) -> None:
        """A record was written to any topic."""
        name = header(record.headers, "ce_id")
        if tp.topic == self._results:
            if name is not None:
                self.answered(self.stories[name.removesuffix("/result")])
            return
        story = self.stories.get(name or "")
        if story is None:
            return
        self._check_bytes(story, record)
        if tp.topic == self._dlq:
            self._died(story, record)
        elif (tp, record.offset) != story.origin:
            story.copies.add((tp, record.offset))
            story.rides += 1
            self.note(f"{story.id} rides {tp.topic}/{tp.partition} at {record.offset}")

    def _died(self, story: Story, record: ConsumerRecord) -> None:
        story.dead += 1
        self.note(f"{story.id} is a dead letter: {header(record.headers, 'posta-reason')}")
        if not self.excuses and story.dead > story.replays + 1:
            self.breach("I5", f"{story.id} became a dead letter {story.dead} times")
        if story.answers and not self.excuses:
            self.breach("I5", f"{story.id} was answered and is a dead letter")
        tp, offset = story.origin
        expected = {
            "posta-original-topic": tp.topic,
            "posta-original-partition": str(tp.partition),
            "posta-original-offset": str(offset),
        }
        for name, value in expected.items():
            if header(record.headers, name) != value:
                self.breach("I5", f"{story.id} says {name} {header(record.headers, name)}, not {value}")
        for name in (
            "posta-original-timestamp", "posta-attempt", "posta-first-failure", "posta-last-failure",
            "posta-error-class", "posta-reason", "posta-fingerprint", "posta-group", "posta-exception-type",
        ):  # fmt: skip
            if not header(record.headers, name):
                self.breach("I5", f"the dead letter of {story.id} lacks {name}")

    def _check_bytes(self, story: Story, record: ConsumerRecord) -> None:
        if header(record.headers, TRUNCATED) is not None:
            self._check_part(story, record)
            return
        own = tuple((name, value) for name, value in record.headers if not name.startswith("posta-"))
        if (record.key, record.value, own) != (story.wire.key, story.wire.value, story.wire.headers):
            self.breach("I5", f"a copy of {story.id} in {record.topic} differs from the original")

    def _check_part(self, story: Story, record: ConsumerRecord) -> None:
        """Only a dead letter may be less than the whole, and then it points to that."""
        whole = story.wire.value or b""
        said = header(record.headers, SIZE), header(record.headers, SHA256)
        is_part = whole.startswith(record.value or b"") and record.key == story.wire.key
        if record.topic != self._dlq or not is_part or said != (str(len(whole)), sha256(whole).hexdigest()):
            self.breach("I5", f"a part of {story.id} in {record.topic} does not lead to the whole")

    def committed(
        self, _group: str, member: str, generation: int, offsets: dict[TopicPartition, OffsetAndMetadata]
    ) -> None:
        """The coordinator has accepted a commit."""
        assert self.group is not None
        self.note(f"{member} commits {_short(offsets)}")
        owned = self.group.members[member].assigned
        for tp, commit in offsets.items():
            if tp not in owned:
                self.breach("I6", f"{member} committed {tp.topic}/{tp.partition}, which is not its own")
            before = self._marks.get((tp, generation), 0)
            if commit.offset < before:
                self.breach(
                    "I6", f"the commit of {tp.topic}/{tp.partition} went from {before} to {commit.offset}"
                )
            self._marks[(tp, generation)] = commit.offset
            consumed = set(range(commit.offset)) | decode(commit.offset, commit.metadata)
            if not self.excuses and not consumed >= self.consumed[tp]:
                forgotten = sorted(self.consumed[tp] - consumed)
                self.breach(
                    "I6", f"a commit of {tp.topic}/{tp.partition} forgets that {forgotten} are finished"
                )
            self.consumed[tp] = consumed
        self.check_nothing_lost("I6")

    def check_nothing_lost(self, which: str = "I1") -> None:
        """Each record is settled, or has a copy that will be read: I1, or I6 after a commit."""
        for story in self.stories.values():
            if story.is_settled or any(offset not in self.consumed[tp] for tp, offset in story.copies):
                continue
            self.breach(
                which, f"{story.id} is committed as finished, and is neither answered nor a dead letter"
            )

    @property
    def unread(self) -> list[str]:
        """Copies that no commit names as finished."""
        return [
            f"{story.id} at {tp.topic}/{tp.partition}:{offset}"
            for story in self.stories.values()
            for tp, offset in story.copies
            if offset not in self.consumed[tp]
        ]


def _short(offsets: dict[TopicPartition, OffsetAndMetadata]) -> str:
    return " ".join(
        f"{tp.topic}/{tp.partition}:{commit.offset}+{commit.metadata or ''}" for tp, commit in offsets.items()
    )

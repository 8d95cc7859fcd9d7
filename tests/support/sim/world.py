"""Runs a scenario: members with real engines on the in-memory Kafka, faults at their times, and then peace.

    records and faults ──▶ peace: faults end, the dead are started ──▶ all settled ──▶ SIGTERM
                                             one member starts again: nothing to do ◀──┘

Everything of a member runs inside its ``Life``, so that it can be killed without a trace or stopped
for a while, as a process can.
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import TopicPartition
from support.sim.cluster import Cluster, Fault, Request, Wrong
from support.sim.ledger import Ledger, Story
from support.sim.loop import Life, SimLoop, Stalled
from support.sim.patches import simulated
from support.sim.scenario import HARMLESS, End, Event, Outcome, Scenario, What

from posta.domain.backoff import Table
from posta.domain.envelope import Event as Envelope
from posta.domain.envelope import Headers, Wire, encode, header
from posta.domain.failure import Delivery, delivery_headers, read_delivery, with_headers
from posta.domain.flood import FloodPolicy
from posta.domain.key_order import OnDeadLetter
from posta.domain.payloads import EventPublished
from posta.domain.retry import RetryPolicy
from posta.engine.engine import Engine
from posta.engine.gate import Gate
from posta.engine.message import Message, Publish
from posta.engine.policy import Bounds, EnginePolicy, Ordering, Retries
from posta.errors import ConfigurationError, Expired, NotNow, Permanent, Transient, Unavailable
from posta.kafka.producer import Producer
from posta.settings import KafkaSettings
from posta.telemetry import names
from posta.topics import Group, Topic

EPOCH = 1_800_000_000.0
SOURCE = Topic(name="work", key="a test key", written_by=("test",), read_by=("sim",))
RESULTS = Topic(name="results", key="a test key", written_by=("sim",), read_by=("test",))
GROUP = Group(name="sim", reads=(SOURCE,), lane_delays_s=(2, 10))
MAX_ATTEMPTS = 4
DRAIN_S = 4.0
HANDLER_TIMEOUT_S = 3.0
_QUIET_S = 2.5
_PATIENCE_S = 200.0
_LEAVE_S = DRAIN_S + 20.0
_LONGEST_LEAVE_S = 90.0
"""When requests go unheard and members are stopped while others wait for them."""

_TWIN_S = 30.0

_REQUESTS = {
    What.PUBLISH_LOST: (Request.PRODUCE, Wrong.LOST),
    What.PUBLISH_UNSENT: (Request.PRODUCE, Wrong.UNSENT),
    What.PUBLISH_FAILED: (Request.PRODUCE, Wrong.FAILED),
    What.COMMIT_LOST: (Request.COMMIT, Wrong.LOST),
    What.COMMIT_UNSENT: (Request.COMMIT, Wrong.UNSENT),
    What.COMMIT_FAILED: (Request.COMMIT, Wrong.FAILED),
    What.FETCH_FAILED: (Request.FETCH, Wrong.FAILED),
    What.GROUP_UNSENT: (Request.GROUP, Wrong.UNSENT),
    What.GROUP_LOST: (Request.GROUP, Wrong.LOST),
    What.GROUP_LATE: (Request.GROUP, Wrong.LATE),
}


class Broken(AssertionError):
    """Invariants did not hold; says which, and what happened before."""

    def __init__(self, scenario: Scenario, broken: list[str], history: list[str]) -> None:
        self.broken = broken
        told = "\n".join(history[-60:])
        super().__init__("\n".join([*broken, "", repr(scenario), "", told]))

    @property
    def which(self) -> set[str]:
        """The numbers of the invariants, such as ``I6``."""
        return {line.split(":")[0] for line in self.broken}


@dataclass(eq=False)
class Member:
    """One process of the group, over its restarts."""

    number: int
    skew_s: float = 0.0
    life: Life | None = None
    engine: Engine | None = None
    stop: asyncio.Event | None = None
    run: "asyncio.Task[None] | None" = None

    @property
    def name(self) -> str:
        return f"m{self.number}"


@dataclass
class Verdict:
    """What a run leaves to look at."""

    ledger: Ledger
    cluster: Cluster
    ended_at: float
    logged: list[dict[str, Any]] = field(repr=False)


def run(scenario: Scenario) -> Verdict:
    """Run ``scenario``; raises ``Broken`` when an invariant does not hold."""
    random.seed(scenario.seed)
    loop = SimLoop()
    cluster = Cluster(seed=scenario.seed, fetched_records=min(100, scenario.max_held))
    defects = _defects()
    try:
        with simulated(loop, cluster) as logged:
            world = World(scenario, loop, cluster)
            try:
                loop.run_until_complete(world.play())
            except Stalled as exc:
                world.ledger.breach("I1", str(exc))
            ended_at = loop.time()
            if _defects() != defects:
                world.ledger.breach("engine", f"a defect was caught: {_exceptions(logged)}")
            for fault in () if world.ledger.excuses else loop.faults:
                world.ledger.breach("engine", fault)
            if world.ledger.broken:
                raise Broken(scenario, world.ledger.broken, world.ledger.history)
            return Verdict(world.ledger, cluster, ended_at, logged)
    finally:
        cluster.closed = True
        with simulated(loop, cluster):
            loop.bury()
        loop.close()


class World:
    """One run."""

    def __init__(self, scenario: Scenario, loop: SimLoop, cluster: Cluster) -> None:
        self._scenario = scenario
        self._loop = loop
        self._cluster = cluster
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._away_until = 0.0
        self._gate_until = 0.0
        self._released: set[tuple[int, int]] = set()
        """Dead letters, by partition and offset."""
        self._incarnations = itertools.count()
        self.members = [Member(number) for number in range(scenario.members)]
        self.ledger = Ledger(scenario, max_attempts=MAX_ATTEMPTS, dlq=GROUP.dlq.name, results=RESULTS.name)
        self.ledger.at = loop.time
        self.ledger.group = cluster.group(GROUP.name)
        for topic in (SOURCE, RESULTS, *GROUP.lanes, GROUP.dlq):
            cluster.create(topic.name, scenario.partitions)
        for topic in GROUP.lanes:
            cluster.max_bytes |= {} if scenario.lane_bytes is None else {topic.name: scenario.lane_bytes}
        cluster.max_bytes |= {} if scenario.dlq_bytes is None else {GROUP.dlq.name: scenario.dlq_bytes}
        cluster.on_append = self.ledger.appended
        cluster.on_commit = self.ledger.committed

    async def play(self) -> None:
        for member in self.members:
            self._start(member)
        for seq, planned in enumerate(self._scenario.records):
            self._at(planned.at, lambda seq=seq: self._write(seq))
        for event in self._scenario.events:
            self._at(event.at, lambda event=event: self._do(event))
        await self._follow_agenda()
        self._make_peace()
        if await self._settle():
            await self._end()

    # The agenda

    def _at(self, when: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._serial), do))

    async def _follow_agenda(self) -> None:
        while self._agenda and not self.ledger.broken:
            when, _, do = heapq.heappop(self._agenda)
            await asyncio.sleep(max(0.0, when - self._loop.time()))
            do()

    def _write(self, seq: int) -> None:
        planned = self._scenario.records[seq]
        now = EPOCH + self._loop.time()
        expires = None
        if planned.expires_s is not None and not self._scenario.holds_keys:
            # What is too late stays so when it is replayed, and would hold its key for ever.
            expires = datetime.fromtimestamp(now + planned.expires_s, UTC)
        event = Envelope(
            id=f"r{seq}",
            source="/test",
            time=datetime.fromtimestamp(now, UTC),
            key=planned.key or "",
            expires_at=expires,
            data=EventPublished(
                destination="d",
                publisher="test",
                client_id=str(seq),
                client_type="test",
                client_source="/test",
                occurred_at="2026-01-01T00:00:00Z",
                data={"n": seq, "filling": "x" * planned.filling},
            ),
        )
        wire = encode(event)
        key = None if planned.key is None else wire.key
        numbers = list(range(self._cluster.partitions[SOURCE.name]))
        tp = TopicPartition(SOURCE.name, DefaultPartitioner()(key, numbers, numbers))
        story = Story(event.id, planned, seq, wire, (tp, self._cluster.log(tp).end))
        if key is None:
            story.wire = type(wire)(key=None, value=wire.value, headers=wire.headers)
        self.ledger.written(story)
        self.ledger.note(f"written {story.id} key {planned.key} to {tp.partition}:{story.origin[1]}")
        self._cluster.append(
            tp, key=key, value=wire.value, headers=wire.headers, timestamp_ms=int(now * 1000)
        )

    # What goes wrong

    def _do(self, event: Event) -> None:
        member = self.members[event.member % len(self.members)]
        self.ledger.note(f"{event.what.value} {member.name} {event.amount:g}")
        if event.what not in HARMLESS:
            self.ledger.excuses += 1
        match event.what:
            case What.KILL:
                self._kill(member, event.amount)
            case What.TERM:
                self._term(member, event.amount)
            case What.FREEZE:
                self._freeze(member, event.amount)
            case What.CLOCK:
                member.skew_s += event.amount
            case What.REBALANCE:
                self._cluster.group(GROUP.name).rebalance()
            case What.KAFKA_AWAY:
                self._away(event.amount)
            case What.TWIN:
                self._twin(member)
            case _:
                self._do_to_kafka(event, member)

    def _do_to_kafka(self, event: Event, member: Member) -> None:
        match event.what:
            case What.GROW:
                self._grow(int(event.amount))
            case What.LEADERLESS:
                self._leaderless(event.amount)
            case _:
                request, wrong = _REQUESTS[event.what]
                self._cluster.faults.append(Fault(request, wrong, int(event.amount), member.name))

    def _grow(self, more: int) -> None:
        """Held keys would move away from what holds them: there an operator must not."""
        if not self._scenario.holds_keys:
            self.ledger.has_grown = True
            self._cluster.grow(more)

    def _leaderless(self, for_s: float) -> None:
        lanes = {TopicPartition(lane.name, 0) for lane in GROUP.lanes}
        self._cluster.leaderless |= lanes
        self._at(self._loop.time() + for_s, lambda: self._lead(lanes))

    def _lead(self, lanes: set[TopicPartition]) -> None:
        self._cluster.leaderless -= lanes
        self._cluster.wake()

    def _twin(self, member: Member) -> None:
        """Somebody starts another process with the same id; the older one has to end, and to say why."""
        run = member.run
        assert run is not None
        self._gone(member)
        self._start(member)

        def look() -> None:
            if not run.done() or not isinstance(run.exception(), ConfigurationError):
                self.ledger.breach("I10", f"the older {member.name} goes on beside the newer")

        self._at(self._loop.time() + _TWIN_S, look)

    def _kill(self, member: Member, again_s: float) -> None:
        if member.life is None:
            return
        member.life.kill()
        self._gone(member)
        self._at(self._loop.time() + again_s, lambda: self._start(member))

    def _term(self, member: Member, again_s: float) -> None:
        if member.life is None or member.stop is None or not member.life.is_running:
            return
        stop, run = member.stop, member.run
        stop.set()
        began = self._loop.time()
        assert run is not None

        def look() -> None:
            if member.run is not run:
                return
            if run.done():
                self._check_left(member)
                self._gone(member)
                self._at(self._loop.time() + again_s, lambda: self._start(member))
            elif self._loop.time() - began > (_LONGEST_LEAVE_S if self.ledger.excuses else _LEAVE_S):
                self.ledger.breach("I10", f"{member.name} did not leave")
            else:
                self._at(self._loop.time() + 0.1, look)

        look()

    def _check_left(self, member: Member) -> None:
        assert member.run is not None
        if member.run.exception() is not None:
            self.ledger.breach("I10", f"{member.name} ended with {member.run.exception()!r}")

    def _gone(self, member: Member) -> None:
        member.life = member.engine = member.stop = member.run = None

    def _freeze(self, member: Member, for_s: float) -> None:
        life = member.life
        if life is None or not life.is_running:
            return
        life.stop()

        def thaw() -> None:
            if member.life is life and not life.is_running:
                self.ledger.note(f"{member.name} goes on")
                self._loop.resume(life)

        self._at(self._loop.time() + for_s, thaw)

    def _away(self, for_s: float) -> None:
        self._cluster.is_away = True
        self._away_until = max(self._away_until, self._loop.time() + for_s)

        def back() -> None:
            if self._loop.time() >= self._away_until - 1e-6:
                self._cluster.is_away = False
                for group in self._cluster.groups.values():
                    group.forgive_silence()

        self._at(self._away_until, back)

    # Members

    def _start(self, member: Member) -> None:
        if member.life is not None:
            return
        life = Life(member.name)
        member.life = life
        number = next(self._incarnations)
        self.ledger.note(f"{member.name} starts as process {number}")
        member.stop = asyncio.Event()
        member.run = self._loop.spawn(
            life, lambda: self._live(member, life), name=f"{member.name} process {number}"
        )

    async def _live(self, member: Member, life: Life) -> None:
        settings = KafkaSettings(
            bootstrap_servers="sim:9092",
            partitions=self._scenario.partitions,
            session_timeout_s=6,
            request_timeout_s=2,
            group_instance_id=member.name if self._scenario.static else None,
        )
        stop = member.stop
        assert stop is not None
        async with Producer(settings, client_id=member.name) as producer:
            member.engine = Engine(
                GROUP,
                lambda message: self._handle(member, life, message),
                kafka=settings,
                producer=producer,
                policy=self._policy(),
                gates=[Gate(name="db", probe=self._probe)],
                clock=lambda: self._clock(member),
            )
            self._watch_outlet(member.engine)
            await member.engine.run(stop)

    def _watch_outlet(self, engine: Engine) -> None:
        """Tell the ledger what is on its way to a lane: nothing public of the engine does."""
        outlet = engine._outlet
        post = outlet.post

        def noted(topic: str, wire: Wire, *args: Any, **options: Any) -> Any:
            if any(topic == lane.name for lane in GROUP.lanes):
                self.ledger.sent(wire)
            return post(topic, wire, *args, **options)

        outlet.post = noted  # type: ignore[method-assign]

    def _policy(self) -> EnginePolicy:
        row = self._scenario.flood_row
        return EnginePolicy(
            retry=RetryPolicy(max_attempts=MAX_ATTEMPTS, backoff=Table(delays_s=(0.3, 2.5, 11.0))),
            ordering=Ordering[self._scenario.ordering],
            retries=Retries.ORDERED if self._scenario.ordered else Retries.INDEPENDENT,
            on_dead_letter=OnDeadLetter.HOLD_KEY if self._scenario.holds_keys else OnDeadLetter.GO_ON,
            bounds=Bounds(records_per_partition=self._scenario.max_held),
            flood=None if row is None else FloodPolicy(in_a_row=row, share=None, cool_down_s=3.0),
            concurrency=self._scenario.concurrency,
            handler_timeout_s=HANDLER_TIMEOUT_S,
            drain_s=DRAIN_S,
            commit_interval_s=1.0,
            publish_timeout_s=3.0,
        )

    def _clock(self, member: Member) -> float:
        return EPOCH + self._loop.time() + member.skew_s

    async def _probe(self) -> None:
        if self._loop.time() < self._gate_until:
            raise Transient("the database is away")

    # The handler

    async def _handle(self, member: Member, life: Life, message: Message[Any]) -> list[Publish]:
        story = self.ledger.stories[message.event.id]
        planned = story.planned.outcomes
        outcome = planned[story.handlings] if story.handlings < len(planned) else Outcome()
        group = self._cluster.group(GROUP.name)
        ownership = (life, group.rebalances, group.takeovers)
        with self.ledger.handling(
            story,
            life,
            attempt=message.attempt,
            redrive=message.delivery.redrive,
            not_before=message.delivery.not_before,
            clock=self._clock(member),
            ownership=ownership,
            # One that its lane refused waits in memory, and those behind it have gone on.
            is_off_lane=message.delivery.lane_due > 0 or story.is_sent,
        ):
            began = self._loop.time()
            try:
                await asyncio.sleep(1e6 if outcome.end is End.HANG else outcome.lasts_s)
            except asyncio.CancelledError:
                if self._loop.time() - began >= HANDLER_TIMEOUT_S - 0.001:
                    self._failed(member, story, message, wait_s=0.0, ownership=ownership)
                raise
            return self._finish(member, story, message, outcome, ownership)

    def _finish(
        self, member: Member, story: Story, message: Message[Any], outcome: Outcome, ownership: object
    ) -> list[Publish]:
        wait_s = outcome.seconds
        match outcome.end:
            case End.TRANSIENT:
                self._failed(member, story, message, wait_s=wait_s, ownership=ownership)
                raise Transient("not yet", retry_after_s=wait_s or None)
            case End.NOT_NOW:
                self._failed(member, story, message, wait_s=wait_s, ownership=ownership, uses_attempt=False)
                raise NotNow("full", wait_s=wait_s)
            case End.UNEXPECTED:
                self._failed(member, story, message, wait_s=0.0, ownership=ownership)
                raise ZeroDivisionError("a defect of the handler")
            case End.PERMANENT:
                raise Permanent("never")
            case End.EXPIRED:
                raise Expired("too late")
            case End.AWAY:
                self._gate_until = max(self._gate_until, self._loop.time() + wait_s)
                raise Unavailable("db", "away")
            case End.SILENT:
                self.ledger.answered(story)
                return []
            case _:
                return [Publish(topic=RESULTS, event=self._result(message))]

    def _failed(
        self,
        member: Member,
        story: Story,
        message: Message[Any],
        *,
        wait_s: float,
        ownership: object,
        uses_attempt: bool = True,
    ) -> None:
        due = self._clock(member) + wait_s
        self.ledger.failed(
            story,
            attempt=message.attempt,
            redrive=message.delivery.redrive,
            due=due,
            ownership=ownership,
            uses_attempt=uses_attempt,
        )

    def _result(self, message: Message[Any]) -> Envelope[Any]:
        return Envelope(
            id=f"{message.event.id}/result",
            source="/sim",
            time=datetime.fromtimestamp(EPOCH + self._loop.time(), UTC),
            key=message.event.key,
            data=message.event.data,
        )

    # The end

    def _make_peace(self) -> None:
        """Nothing goes wrong from now on; the dead and the stopped come back, the clocks are set right."""
        self.ledger.note("peace")
        self._agenda.clear()
        self._cluster.faults.clear()
        self._cluster.is_away = False
        self._lead(set(self._cluster.leaderless))
        for group in self._cluster.groups.values():
            group.forgive_silence()
        for member in self.members:
            member.skew_s = 0.0
            if member.life is not None and not member.life.is_running:
                self._loop.resume(member.life)
            if member.stop is not None and member.stop.is_set():
                # Its restart was on the agenda.
                member.life = None
            self._start(member)

    async def _settle(self) -> bool:
        """Wait until every record has its end and every copy is committed."""
        patience_s = _PATIENCE_S + 2 * self._scenario.jumps + 20 * len(self._scenario.records)
        deadline = self._loop.time() + patience_s
        while self.ledger.open_ids or self.ledger.unread:
            if self.ledger.broken:
                return False
            if self._loop.time() > deadline:
                left = f"open {self.ledger.open_ids}, not committed {self.ledger.unread}"
                self.ledger.breach(
                    "I11", f"stuck after {patience_s:g} s of peace: {left}: {self._statuses()}"
                )
                return False
            await asyncio.sleep(1.0)
            if self._scenario.holds_keys:
                self._replay_the_dead()
            if self._scenario.flood_row is not None:
                for member in self.members:
                    if member.engine is not None:
                        member.engine.resume("flood")
        await asyncio.sleep(_QUIET_S)
        return not self.ledger.broken

    def _replay_the_dead(self) -> None:
        """As dlq-admin does it: the original on the shortest lane, due at once, one redrive more.

        Or the release of its key. A part is replayed from the original.
        """
        for number in range(self._scenario.partitions):
            for record in list(self._cluster.log(TopicPartition(GROUP.dlq.name, number)).records):
                story = self.ledger.stories[header(record.headers, "ce_id") or ""]
                delivery = read_delivery(
                    topic=record.topic,
                    partition=number,
                    offset=record.offset,
                    timestamp_ms=0,
                    headers=record.headers,
                )
                letter = (number, record.offset)
                if delivery.redrive < story.replays or letter in self._released:
                    continue
                anew = replace(delivery, attempt=1, not_before=0.0, lane_due=0.0)
                if self._scenario.releases:
                    # Each dead letter: one that was done again holds its key again.
                    self._released.add(letter)
                    story.is_released = True
                    self._to_lane(story.wire.key, b"", (), replace(anew, release=True))
                else:
                    self.ledger.replayed(story)
                    again = replace(anew, redrive=delivery.redrive + 1)
                    self._to_lane(story.wire.key, story.wire.value, story.wire.headers, again)

    def _to_lane(self, key: bytes | None, value: bytes | None, headers: Headers, delivery: Delivery) -> None:
        self._cluster.append(
            TopicPartition(GROUP.lanes[0].name, delivery.origin.partition),
            key=key,
            value=value,
            headers=with_headers(headers, delivery_headers(delivery)),
            timestamp_ms=int((EPOCH + self._loop.time()) * 1000),
        )

    def _statuses(self) -> str:
        return "; ".join(repr(member.engine.status()) for member in self.members if member.engine is not None)

    async def _end(self) -> None:
        """SIGTERM for all; then a member that starts again finds nothing to do (I2, I6, I10)."""
        self.ledger.check_nothing_lost()
        for member in self.members:
            if member.stop is not None:
                member.stop.set()
        runs = [member.run for member in self.members if member.run is not None]
        _, late = await asyncio.wait(runs, timeout=_LEAVE_S)
        if late:
            self.ledger.breach("I10", f"{len(late)} members did not leave within {_LEAVE_S:g} s")
            return
        for member in self.members:
            self._check_left(member)
            self._gone(member)
        if self.ledger.unread:
            # A publish that was tried again until the very end has written a copy.
            return
        before = sum(story.handlings for story in self.ledger.stories.values())
        self._start(self.members[0])
        await asyncio.sleep(5.0)
        after = sum(story.handlings for story in self.ledger.stories.values())
        if after != before:
            self.ledger.breach("I6", f"{after - before} records were handled again after a whole restart")


def _defects() -> float:
    """What the engine counts as its own defects."""
    return sum(
        names.UNEXPECTED.labels(GROUP.name, kind)._value.get() for kind in ("engine", "poll", "key order")
    )


def _exceptions(logged: list[dict[str, Any]]) -> list[str]:
    return [
        str(entry.get("exc_info") or entry)[:300] for entry in logged if entry.get("log_level") == "error"
    ][-3:]

"""Handles one record to its end: runs the handler, decides on its failure, carries that out.

    due? ──no──▶ wait: lane (hop) or memory
     │ yes
    decode ─▶ handler ──ok──▶ publish what it returned ─▶ finished
                │ failed
                ├─ Unavailable ─▶ close the gate, keep the record and its key
                ├─ Wait        ─▶ lane or memory, with the attempt counted
                └─ DeadLetter  ─▶ a flood? keep the record and its key
                                  else publish the apology, then the dead letter ─▶ finished

Rule: a record is finished only after Kafka has confirmed what it became.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from opentelemetry.trace import SpanKind

from posta.domain.envelope import Wire, header
from posta.domain.failure import Delivery, delivery_headers, error_headers, failed, with_headers
from posta.domain.flood import cause_of
from posta.domain.key_order import OnDeadLetter
from posta.domain.lanes import Lanes, lane_label
from posta.domain.retry import DeadLetter, ErrorClass, Wait, classify, decide
from posta.engine.dead_letters import write_dead_letter
from posta.engine.floodgate import Floodgate
from posta.engine.gatekeeper import Gatekeeper
from posta.engine.message import GivenUp, Handler, Interpret, Message, OnGivenUp, RawRecord, Subject
from posta.engine.meters import meters_of
from posta.engine.ordered import Ordered
from posta.engine.outlet import Abandoned, Outlet
from posta.engine.partition import Work, headers_of
from posta.engine.policy import EnginePolicy
from posta.engine.timers import Timers
from posta.errors import Expired, Transient, Unavailable
from posta.kafka.producer import TooLarge
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import context_of, fail, span
from posta.topics import Group, dlq_topic, lane_topic
from posta.version import service_version

log = get_logger(__name__)


class Fate(Enum):
    """What handling did to the record's key."""

    ENDED = "ended"
    """The record is finished, or left for the next owner: its key is free."""
    PARKED = "parked"
    """The record waits in memory and keeps its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """What the service gave the engine to call."""

    handler: Handler
    interpret: Interpret
    on_given_up: OnGivenUp | None


class Settlement:
    """Everything that happens to a record once a worker has taken it."""

    def __init__(
        self,
        group: Group,
        callbacks: Callbacks,
        *,
        policy: EnginePolicy,
        outlet: Outlet,
        gatekeeper: Gatekeeper,
        floodgate: Floodgate,
        timers: Timers,
        resume: Callable[[Work], None],
        clock: Callable[[], float],
        ordered: Ordered | None = None,
    ) -> None:
        self._group = group
        self._ordered = ordered
        self._lanes = Lanes(delays_s=group.lane_delays_s)
        self._callbacks = callbacks
        self._policy = policy
        self._outlet = outlet
        self._gatekeeper = gatekeeper
        self._floodgate = floodgate
        self._timers = timers
        self._resume = resume
        self._clock = clock
        self._version = service_version()

    async def settle(self, work: Work) -> Fate:
        """Handle ``work``; on return it is finished, parked, or left undone for the next owner."""
        if work.divert_s is not None:
            return await self._ride(work, work.divert_s, cause="behind")
        if work.delivery.stand_in:
            # Left from when the group had ordered retries; nothing is held now.
            work.partition.finish(work)
            return Fate.ENDED
        if work.delivery.not_before > self._clock():
            return await self._wait(work, cause="hop")
        self._note_lateness(work)
        record = self._raw(work)
        started = time.monotonic()
        with span(
            f"process {record.topic}",
            kind=SpanKind.CONSUMER,
            parent=context_of(record.headers),
            attributes=_span_attributes(record, work, self._group.name),
        ) as current:
            subject, error = await self._run(record, work)
            if error is None:
                fate = Fate.ENDED
            else:
                fail(current, error)
                fate = await self._failed(work, record, subject, error)
        meters_of(self._group.name, record.topic).process_seconds.observe(time.monotonic() - started)
        return fate

    async def _run(self, record: RawRecord, work: Work) -> tuple[Subject | None, BaseException | None]:
        """Decode, handle and publish; return the decoded subject and what went wrong, if anything."""
        subject: Subject | None = None
        limit = asyncio.timeout(self._policy.handler_timeout_s)
        try:
            subject = self._callbacks.interpret(record, work.delivery, self._is_last(work))
            if isinstance(subject, Message) and self._is_past(subject.deadline):
                raise Expired("its deadline passed before it could be handled")  # noqa: TRY301
            async with limit:
                outgoing = await self._callbacks.handler(subject)
            if outgoing:
                await self._outlet.events(outgoing, work.partition)
        except TimeoutError as exc:
            if not limit.expired():
                return subject, exc
            return subject, Transient(f"the handler ran over {self._policy.handler_timeout_s:g} s")
        except Abandoned:
            raise
        except Exception as exc:  # noqa: BLE001 - whatever a handler raises has a defined outcome
            return subject, exc
        line = self._line_of(work)
        if line is None:
            work.partition.finish(work)
        else:
            line.ended(work)
        self._floodgate.lived(work)
        self._count(record.topic, "ok")
        if isinstance(subject, Message):
            age_s = max(0.0, self._clock() - subject.event.time.timestamp())
            meters_of(self._group.name, record.topic).age_seconds.observe(age_s)
        log.info("message_handled", **_log_fields(record, work))
        return subject, None

    async def _failed(
        self, work: Work, record: RawRecord, subject: Subject | None, error: BaseException
    ) -> Fate:
        if isinstance(error, Unavailable) and self._gatekeeper.close(error.dependency):
            return self._keep(work, "waiting")
        if classify(error) is ErrorClass.UNEXPECTED:
            names.UNEXPECTED.labels(self._group.name, type(error).__name__).inc()
            log.error("handler_raised_unexpected", exc_info=error, **_log_fields(record, work))
        now = self._clock()
        decision = decide(
            self._policy.retry,
            error,
            attempt=work.delivery.attempt,
            now=now,
            deadline=subject.deadline if isinstance(subject, Message) else None,
            jitter=random.random(),
        )
        if isinstance(decision, DeadLetter) and not self._floodgate.may_give_up(
            work, cause_of(error, decision.error_class)
        ):
            # As if it had not been handled: the attempt is not used, nobody is told.
            return self._keep(work, "waiting")
        work.delivery = failed(work.delivery, now=now)
        match decision:
            case Wait():
                used_attempt = decision.attempt > work.delivery.attempt
                self._floodgate.waits(work, used_attempt=used_attempt)
                work.delivery = replace(
                    work.delivery, attempt=decision.attempt, not_before=decision.not_before
                )
                self._count(record.topic, "retry")
                log.warning(
                    "message_will_be_retried",
                    error=f"{type(error).__name__}: {error}",
                    wait_s=round(decision.not_before - now, 3),
                    **_log_fields(record, work),
                )
                return await self._wait(work, cause=decision.error_class.value)
            case DeadLetter():
                return await self._give_up(work, record, subject, error, decision)

    async def _give_up(
        self,
        work: Work,
        record: RawRecord,
        subject: Subject | None,
        error: BaseException,
        decision: DeadLetter,
    ) -> Fate:
        try:
            await self._apologise(work, subject, error, decision)
        except Unavailable as exc:
            if self._gatekeeper.close(exc.dependency):
                return self._keep(work, "waiting")
            raise
        line = self._line_of(work)
        if line is not None and self._policy.on_dead_letter is OnDeadLetter.HOLD_KEY:
            await self._hold(work, line)
        gone = replace(work.delivery, not_before=0.0, lane_due=0.0, place=None, rides=0)
        added = {
            **delivery_headers(gone),
            **error_headers(
                error,
                error_class=decision.error_class,
                reason=decision.reason,
                group=self._group.name,
                version=self._version,
            ),
        }
        wire = Wire(key=record.key, value=record.value, headers=with_headers(record.headers, added))
        await write_dead_letter(self._outlet, dlq_topic(self._group.name), wire, work.partition)
        if line is None:
            work.partition.finish(work)
        else:
            line.died(work)
        self._count(record.topic, "dead")
        names.DEAD_LETTERS.labels(self._group.name, decision.error_class.value).inc()
        log.error("message_given_up", reason=decision.reason, **_log_fields(record, work))
        return Fate.ENDED

    async def _apologise(
        self, work: Work, subject: Subject | None, error: BaseException, decision: DeadLetter
    ) -> None:
        if self._callbacks.on_given_up is None or not isinstance(subject, Message):
            return
        given_up = GivenUp(error_class=decision.error_class, reason=decision.reason, error=error)
        try:
            outgoing = await self._callbacks.on_given_up(subject, given_up)
        except Unavailable:
            raise
        except Exception as exc:
            # The dead letter must not depend on the apology: an operator still sees it.
            names.UNEXPECTED.labels(self._group.name, type(exc).__name__).inc()
            log.exception("apology_failed")
            return
        try:
            await self._outlet.events(outgoing, work.partition)
        except TooLarge:
            log.exception("apology_failed")

    async def _wait(self, work: Work, *, cause: str) -> Fate:
        remaining_s = work.delivery.not_before - self._clock()
        lane = self._lanes.lane_for(remaining_s)
        if lane is None:
            names.RETRIES.labels(self._group.name, "memory", cause).inc()
            return self._park(work)
        return await self._ride(work, lane, cause=cause)

    async def _ride(self, work: Work, lane: int, *, cause: str) -> Fate:
        names.RETRIES.labels(self._group.name, lane_label(lane), cause).inc()
        line = self._line_of(work)
        riding = replace(work.delivery, lane_due=self._clock() + lane)
        if line is not None:
            riding = replace(riding, place=line.place(work), rides=riding.rides + 1)
        try:
            await self._to_lane(work, lane, riding)
        except TooLarge as exc:
            return await self._refused_by_lane(work, exc)
        if line is None:
            work.partition.finish(work)
        else:
            line.rode(work, riding)
        return Fate.ENDED

    async def _refused_by_lane(self, work: Work, error: TooLarge) -> Fate:
        """The lane is configured smaller than its sources: wait here, or die if that would block the key."""
        record = self._raw(work)
        log.error("lane_refused_record", error=str(error), **_log_fields(record, work))
        if work.divert_s is None:
            return self._park(work)
        decision = DeadLetter(error_class=ErrorClass.PERMANENT, reason=str(error))
        return await self._give_up(work, record, None, error, decision)

    async def _to_lane(self, work: Work, lane: int, riding: Delivery) -> None:
        """Publish ``work``, or what stands in for it, to a lane; ordered keys keep their partition number."""
        record = self._raw(work)
        value, headers = (None, ()) if riding.stand_in else (record.value, record.headers)
        wire = Wire(key=record.key, value=value, headers=with_headers(headers, delivery_headers(riding)))
        # Whatever partitioner the source was written with, the lines of its keys are there.
        to = None if self._line_of(work) is None else record.partition
        await self._outlet.record(lane_topic(self._group.name, lane), wire, work.partition, to=to)

    async def _hold(self, work: Work, line: Ordered) -> None:
        """Put a stand-in into a lane first: the dead letter is never seen without its key being held."""
        lane = line.hold_lane_s
        if lane is None:
            return
        stand_in = replace(
            work.delivery,
            not_before=0.0,
            lane_due=self._clock() + lane,
            place=line.place(work),
            rides=1,
            stand_in=True,
        )
        if line.hold(work, stand_in):
            await self._to_lane(work, lane, stand_in)

    def _line_of(self, work: Work) -> Ordered | None:
        """Where the key's order is kept, if it is; a record without a key has none."""
        return None if work.record.key is None else self._ordered

    def _park(self, work: Work) -> Fate:
        if not work.partition.is_open:
            return Fate.ENDED
        self._timers.at(work.delivery.not_before, lambda: self._unpark(work))
        return Fate.PARKED

    def _unpark(self, work: Work) -> None:
        if work.partition.is_open:
            self._resume(work)

    def _keep(self, work: Work, outcome: str) -> Fate:
        self._count(work.partition.topic, outcome)
        if not work.partition.is_open:
            return Fate.ENDED
        self._resume(work)
        return Fate.PARKED

    def _note_lateness(self, work: Work) -> None:
        if work.delivery.not_before:
            late_s = self._clock() - work.delivery.not_before
            names.RETRY_LATENESS.labels(self._group.name).observe(late_s)

    def _is_last(self, work: Work) -> bool:
        most = self._policy.retry.max_attempts
        return most is not None and work.delivery.attempt >= most

    def _is_past(self, deadline: float | None) -> bool:
        return deadline is not None and self._clock() >= deadline

    def _count(self, topic: str, outcome: str) -> None:
        meters_of(self._group.name, topic).ended(outcome)

    @staticmethod
    def _raw(work: Work) -> RawRecord:
        record = work.record
        return RawRecord(
            topic=work.partition.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
            key=record.key,
            value=record.value,
            headers=headers_of(record),
        )


def _span_attributes(record: RawRecord, work: Work, group: str) -> dict[str, str | int]:
    """OpenTelemetry messaging conventions (1.44, in development), without the key: it names people."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": record.topic,
        "messaging.destination.partition.id": str(record.partition),
        "messaging.kafka.offset": record.offset,
        "messaging.consumer.group.name": group,
        "messaging.message.id": header(record.headers, "ce_id") or "",
        "posta.attempt": work.delivery.attempt,
        "posta.redrive": work.delivery.redrive,
    }


def _log_fields(record: RawRecord, work: Work) -> dict[str, str | int]:
    return {
        "message_id": header(record.headers, "ce_id") or "",
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "attempt": work.delivery.attempt,
    }

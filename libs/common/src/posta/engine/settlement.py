"""What becomes of a record whose handler has ended: decides, and has that carried out.

    ok ─▶ publish what it returned ─▶ finished
    failed
      ├─ Unavailable ─▶ close the gate, keep the record and its key
      ├─ Wait        ─▶ lane or memory, with the attempt counted
      └─ DeadLetter  ─▶ a flood? keep the record and its key
                        else publish the apology, then the dead letter ─▶ finished

Rule: a record is finished only after Kafka has confirmed what it became. No worker waits for that:
what has to be published goes on in a task of its own (``Endings.send_off``).
"""

import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from posta.domain.envelope import Wire, encode, header
from posta.domain.failure import delivery_headers, error_headers, failed, with_headers
from posta.domain.flood import cause_of
from posta.domain.key_order import OnDeadLetter
from posta.domain.retry import DeadLetter, ErrorClass, Wait, classify, decide
from posta.engine.dead_letters import write_dead_letter
from posta.engine.endings import Endings, Fate, Rest
from posta.engine.floodgate import Floodgate
from posta.engine.gatekeeper import Gatekeeper
from posta.engine.message import GivenUp, Message, OnGivenUp, Publish, RawRecord, Subject
from posta.engine.meters import Meters
from posta.engine.outlet import Abandoned, Outgoing, Outlet
from posta.engine.partition import Work
from posta.engine.policy import EnginePolicy
from posta.engine.waiting import Waiting
from posta.errors import Unavailable
from posta.kafka.producer import TooLarge
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import fail, onward_trace_headers, traceparent_of
from posta.topics import Group, dlq_topic
from posta.version import service_version

log = get_logger(__name__)
_is_shown = logging.getLogger(__name__).isEnabledFor


class Settlement:
    """Everything that happens to a record once its handler has ended."""

    def __init__(
        self,
        group: Group,
        on_given_up: OnGivenUp | None,
        *,
        policy: EnginePolicy,
        outlet: Outlet,
        endings: Endings,
        waiting: Waiting,
        gatekeeper: Gatekeeper,
        floodgate: Floodgate,
        meters: Meters,
        clock: Callable[[], float],
    ) -> None:
        self._group = group
        self._on_given_up = on_given_up
        self._policy = policy
        self._outlet = outlet
        self._endings = endings
        self._waiting = waiting
        waiting.refused = self._refused_by_lane
        self._gatekeeper = gatekeeper
        self._floodgate = floodgate
        self._meters = meters
        self._clock = clock
        self._version = service_version()

    def before(self, work: Work) -> Fate | None:
        """What becomes of a record that is not to be handled now; None: handle it."""
        if work.divert_s is not None:
            return self._waiting.ride(work, work.divert_s, cause="behind")
        if work.delivery.stand_in:
            # Left from when the group had ordered retries; nothing is held now.
            work.partition.finish(work)
            return Fate.ENDED
        if work.delivery.release:
            return self._release(work)
        if work.delivery.not_before > self._clock():
            return self._waiting.until_due(work, cause="hop")
        self._waiting.note_lateness(work)
        return None

    def _release(self, work: Work) -> Fate:
        """An admin's word, in the place of its dead letter: as if a replay of that had ended well."""
        line = self._waiting.line_of(work)
        if line is None:
            work.partition.finish(work)
        else:
            line.ended(work)
        origin = work.delivery.origin
        log.info("key_released", topic=origin.topic, partition=origin.partition, offset=origin.offset)
        return Fate.ENDED

    def finish(self, work: Work, record: RawRecord, subject: Subject | None, *, is_notable: bool) -> None:
        """``work`` was handled well, and what it published is confirmed.

        Its line in the log is for whoever looks for one message: ``is_notable`` ones waited or
        published; with a first attempt that did neither it is written at the level debug only.
        """
        line = self._waiting.line_of(work)
        if line is None:
            work.partition.finish(work)
        else:
            line.ended(work)
        self._floodgate.lived(work)
        self._meters.of(record.topic).ok.value += 1
        if subject is not record and isinstance(subject, Message):
            age_s = self._clock() - subject.event.time.timestamp()
            self._meters.age.observe(max(0.0, age_s))
        if is_notable or (work.story is not None and work.story.attempt > 1):
            log.info("message_handled", **_log_fields(record, work))
        elif _is_shown(logging.DEBUG):
            log.debug("message_handled", **_log_fields(record, work))

    def publish(
        self, work: Work, record: RawRecord, subject: Subject | None, outgoing: Iterable[Publish]
    ) -> Fate | Rest:
        """Publish what the handler returned, each with the trace's context; then ``work`` is finished."""
        try:
            records = self._encoded(outgoing)
        except Exception as exc:  # noqa: BLE001 - what a handler returns is as much its own as what it raises
            return self.failed(work, record, subject, exc)
        return self._endings.send_off(work, self._published(work, record, subject, records))

    def failed(
        self, work: Work, record: RawRecord, subject: Subject | None, error: BaseException
    ) -> Fate | Rest:
        """Decide on a failure; what is returned carries the decision out."""
        if work.span is not None:
            fail(work.span, error)
            work.delivery = replace(work.delivery, previous_span=traceparent_of(work.span))
        if isinstance(error, Unavailable) and self._gatekeeper.close(error.dependency):
            return self._waiting.keep(work)
        if classify(error) is ErrorClass.UNEXPECTED:
            self._meters.unexpected(type(error).__name__)
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
            return self._waiting.keep(work)
        work.delivery = failed(work.delivery, now=now)
        match decision:
            case Wait():
                return self._retry(work, record, error, decision, now)
            case DeadLetter() if self._on_given_up is None or not isinstance(subject, Message):
                return self._endings.send_off(work, self._give_up(work, record, error, decision, ()))
            case DeadLetter():
                return self._apologise(self._on_given_up, work, record, subject, error, decision)

    def _retry(self, work: Work, record: RawRecord, error: BaseException, decision: Wait, now: float) -> Fate:
        used_attempt = decision.attempt > work.delivery.attempt
        self._floodgate.waits(work, used_attempt=used_attempt)
        work.delivery = replace(work.delivery, attempt=decision.attempt, not_before=decision.not_before)
        self._meters.ended(record.topic, "retry")
        # Who waits its turn comes back for each window, and so do all behind it: that is for the metrics.
        log.log(
            logging.WARNING if used_attempt else logging.DEBUG,
            "message_will_be_retried",
            error=f"{type(error).__name__}: {error}",
            wait_s=round(decision.not_before - now, 3),
            **_log_fields(record, work),
        )
        return self._waiting.until_due(work, cause=decision.error_class.value)

    async def _apologise(
        self,
        on_given_up: OnGivenUp,
        work: Work,
        record: RawRecord,
        subject: Message[Any],
        error: BaseException,
        decision: DeadLetter,
    ) -> Fate:
        """Ask for the apology, which may take its time as a handler may, and give the record up."""
        given_up = GivenUp(error_class=decision.error_class, reason=decision.reason, error=error)
        apology: Sequence[Outgoing] = ()
        try:
            apology = self._encoded(await on_given_up(subject, given_up))
        except Unavailable as exc:
            if self._gatekeeper.close(exc.dependency):
                return self._waiting.keep(work)
            raise
        except Exception as exc:
            # The dead letter must not depend on the apology: an operator still sees it.
            self._meters.unexpected(type(exc).__name__)
            log.exception("apology_failed")
        return self._endings.send_off(work, self._give_up(work, record, error, decision, apology))

    async def _give_up(
        self,
        work: Work,
        record: RawRecord,
        error: BaseException,
        decision: DeadLetter,
        apology: Sequence[Outgoing],
    ) -> Fate:
        """Publish the apology, then the dead letter; then ``work`` is finished."""
        try:
            await self._outlet.records(apology, work.partition)
        except TooLarge:
            log.exception("apology_failed")
        line = self._waiting.line_of(work)
        holds_key = line is not None and self._policy.on_dead_letter is OnDeadLetter.HOLD_KEY
        if line is not None and holds_key:
            await self._waiting.hold(work, line)
        gone = replace(work.delivery, not_before=0.0, lane_due=0.0, place=None, rides=0)
        added = {
            **delivery_headers(gone),
            **error_headers(
                error,
                error_class=decision.error_class,
                reason=decision.reason,
                group=self._group.name,
                version=self._version,
                holds_key=holds_key,
            ),
        }
        wire = Wire(key=record.key, value=record.value, headers=with_headers(record.headers, added))
        await write_dead_letter(self._outlet, dlq_topic(self._group.name), wire, work.partition)
        if line is None:
            work.partition.finish(work)
        else:
            line.died(work)
        self._meters.ended(record.topic, "dead")
        self._meters.died(decision.error_class.value)
        log.error("message_given_up", reason=decision.reason, **_log_fields(record, work))
        return Fate.ENDED

    async def _refused_by_lane(self, work: Work, error: TooLarge) -> Fate:
        """The lane takes no record as large: wait here instead, or die if that would block the key."""
        record = work.raw()
        log.error("lane_refused_record", error=str(error), **_log_fields(record, work))
        if work.divert_s is None:
            return self._waiting.park(work)
        work.delivery = failed(work.delivery, now=self._clock())
        decision = DeadLetter(error_class=ErrorClass.PERMANENT, reason=str(error))
        return await self._give_up(work, record, error, decision, ())

    async def _published(
        self, work: Work, record: RawRecord, subject: Subject | None, records: Sequence[Outgoing]
    ) -> Fate:
        try:
            await self._outlet.records(records, work.partition)
        except Abandoned:
            raise
        except Exception as exc:  # noqa: BLE001 - such as TooLarge: the handler's result cannot be published
            step = self.failed(work, record, subject, exc)
            return step if isinstance(step, Fate) else await step
        self.finish(work, record, subject, is_notable=True)
        return Fate.ENDED

    @staticmethod
    def _encoded(outgoing: Iterable[Publish]) -> list[Outgoing]:
        headers = onward_trace_headers()
        return [(publish.topic.name, encode(publish.event, headers)) for publish in outgoing]


def _log_fields(record: RawRecord, work: Work) -> dict[str, str | int]:
    return {
        "message_id": header(record.headers, "ce_id") or "",
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "attempt": work.delivery.attempt,
    }

"""Runs the handler for one record, as far as that goes at once.

due? ──no──▶ settlement: a lane, or memory
 │ yes
trace context ─▶ decode ─▶ handler ─┬─ returned nothing ─▶ finished, at once
                                    ├─ returned events ──▶ settlement: publish them, then finished
                                    ├─ wants to wait ────▶ the worker waits with it
                                    └─ raised ───────────▶ settlement: a retry, or a dead letter
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from types import CoroutineType
from typing import Any

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import SpanKind

from posta.domain.envelope import header
from posta.engine.begun import Begun, awaiting
from posta.engine.endings import Fate, Rest
from posta.engine.message import Handler, Interpret, Message, RawRecord, Subject, as_raw
from posta.engine.partition import Work
from posta.engine.settlement import Settlement
from posta.engine.watch import Watch
from posta.errors import Expired, Transient
from posta.telemetry.tracing import RECORDED, Passage, begin_span


class Handling:
    """One engine's way of calling its handler."""

    def __init__(
        self,
        group: str,
        handler: Handler,
        interpret: Interpret,
        *,
        max_attempts: int | None,
        settlement: Settlement,
        watch: Watch,
        passage: Passage,
        clock: Callable[[], float],
    ) -> None:
        self._group = group
        self._handler = handler
        self._interpret = interpret
        self._is_raw = interpret is as_raw
        self._max_attempts = max_attempts
        self._settlement = settlement
        self._watch = watch
        self._passage = passage
        self._clock = clock

    def begin(self, work: Work) -> Fate | Rest | None:
        """Handle ``work`` as far as that goes at once.

        None: it is finished, and nothing else is to be done for it. A coroutine: what is left to do.
        """
        if work.divert_s is not None or work.story is not None:
            early = self._settlement.before(work)
            if early is not None:
                work.started = 0.0
                return early
        record = work.raw()
        context = self._passage.of(record.headers)
        if context is None:
            return self._run(work, record)
        if context is RECORDED:
            work.span, context = begin_span(
                f"process {record.topic}",
                kind=SpanKind.CONSUMER,
                headers=record.headers,
                attributes=_span_attributes(record, work, self._group),
                follows=None if work.story is None else work.story.previous_span,
            )
        return self._run_within(context, work, record)

    def _run_within(self, context: Context, work: Work, record: RawRecord) -> Fate | Rest | None:
        token = attach(context)
        step = self._run(work, record)
        if step is None:
            detach(token)
            # What has a span is no everyday record: let it end where spans are ended.
            return None if work.span is None else Fate.ENDED
        if isinstance(step, Fate):
            detach(token)
            return step
        return _then_detach(step, token)

    def _run(self, work: Work, record: RawRecord) -> Fate | Rest | None:
        subject: Subject | None = None
        try:
            if self._is_raw:
                subject = record
            else:
                subject = self._interpret(record, work.delivery, self._is_last(work))
                if isinstance(subject, Message) and subject.deadline is not None:
                    self._check(subject.deadline)
            running = self._handler(subject)
        except Exception as exc:  # noqa: BLE001 - whatever it raises has a defined outcome
            return self._settlement.failed(work, record, subject, exc)
        coroutine: Coroutine[Any, Any, Any] = running if type(running) is CoroutineType else awaiting(running)
        try:
            first = coroutine.send(None)
        except StopIteration as stop:
            outgoing = stop.value
        except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - as above; nobody cancelled it
            return self._settlement.failed(work, record, subject, exc)
        else:
            return self._wait_for(work, record, subject, Begun(coroutine, first))
        if outgoing:
            return self._settlement.publish(work, record, subject, outgoing)
        self._settlement.finish(work, record, subject, is_notable=False)
        return None

    async def _wait_for(self, work: Work, record: RawRecord, subject: Subject, rest: Awaitable[Any]) -> Fate:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a worker is a task
        error: BaseException | None = None
        outgoing = None
        self._watch.arm(task)
        try:
            outgoing = await rest
        except asyncio.CancelledError as exc:
            error = exc
        except Exception as exc:  # noqa: BLE001 - whatever a handler raises has a defined outcome
            error = exc
        ran_over = self._watch.disarm(task)
        if isinstance(error, asyncio.CancelledError):
            if task.cancelling():
                raise error
            if ran_over:
                error = Transient(f"the handler ran over {self._watch.limit_s:g} s")
        if error is not None:
            step = self._settlement.failed(work, record, subject, error)
        elif outgoing:
            step = self._settlement.publish(work, record, subject, outgoing)
        else:
            self._settlement.finish(work, record, subject, is_notable=True)
            return Fate.ENDED
        return step if isinstance(step, Fate) else await step

    def _check(self, deadline: float) -> None:
        if self._clock() >= deadline:
            raise Expired("its deadline passed before it could be handled")

    def _is_last(self, work: Work) -> bool:
        most = self._max_attempts
        return most is not None and (work.delivery.attempt if work.story is not None else 1) >= most


async def _then_detach(rest: Rest, token: Any) -> Fate:
    try:
        return await rest
    finally:
        detach(token)


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

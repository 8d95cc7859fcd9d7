"""Publishes events from asyncio programs; never blocks the loop, overruns its budget or raises unasked."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable
from dataclasses import replace
from types import TracebackType
from typing import Self

import httpx

from posta_client.event import Event, Options, make_event
from posta_client.outbox import Drain, Outbox
from posta_client.ready_made import ReadyMade
from posta_client.receipt import NotPublished, Receipt, State
from posta_client.request import fault, prepare, timeouts
from posta_client.settings import Settings, from_environment
from posta_client.spool import Contents, SpoolError
from posta_client.verdict import Verdict, judge

log = logging.getLogger("posta_client")
_KEEPING_SHARE = 0.3
_KEEPING_MOST_S = 0.5
_REQUEST_S = 10.0
_NO_OPTIONS = Options()


class AsyncPublisher(ReadyMade[Awaitable[Receipt]]):
    """One program's way to Posta; use it as ``async with``, in one event loop."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        drain_every_s: float | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """See ``Publisher``."""
        self._settings = settings or from_environment()
        self._transport = transport
        self._outbox = Outbox(self._settings)
        self._drain_every_s = drain_every_s
        self._client: httpx.AsyncClient | None = None
        self._drainer: asyncio.Task[None] | None = None
        self._draining = asyncio.Lock()

    async def __aenter__(self) -> Self:
        if self._drain_every_s is not None:
            self._drainer = asyncio.create_task(self._drain_forever(self._drain_every_s), name="posta-client")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def publish(
        self,
        type_: str,
        data: object = None,
        options: Options | None = None,
        *,
        budget_s: float | None = None,
        strict: bool = False,
    ) -> Receipt:
        """Hand an event over and say how it fared, within ``budget_s`` seconds.

        Raises ``NotPublished``, and only with ``strict``, when the event is neither sent nor kept. A
        cancellation passes through.
        """
        budget_s = self._settings.budget_s if budget_s is None else budget_s
        try:
            receipt = await self._publish(type_, data, options or _NO_OPTIONS, time.monotonic() + budget_s)
        except Exception as exc:  # publishing must never break the program that reports
            log.exception("an event could not be published")
            receipt = Receipt(id="", state=State.LOST, reason=f"{type(exc).__name__}: {exc}")
        if receipt.state is State.LOST:
            log.error("event %s is lost: %s", receipt.id, receipt.reason)
        if strict and not receipt.is_safe:
            raise NotPublished(receipt)
        return receipt

    async def drain(self, *, budget_s: float = 60.0) -> int:
        """Send what is kept, oldest first, for at most so long; returns how many events were sent."""
        drain = Drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(budget_s):
                await self._drain(drain, until_id=None)
        return drain.sent

    async def contents(self) -> Contents:
        """How much is kept. Raises ``SpoolError``."""
        return await asyncio.to_thread(self._outbox.contents)

    async def aclose(self) -> None:
        """End what runs; what is kept stays kept."""
        if self._drainer is not None:
            self._drainer.cancel()
            await asyncio.wait([self._drainer])
            self._drainer = None
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        await asyncio.to_thread(self._outbox.close)

    async def _publish(self, type_: str, data: object, options: Options, deadline: float) -> Receipt:
        if options.destination is None and self._settings.destination is not None:
            options = replace(options, destination=self._settings.destination)
        event = make_event(type_, data, options, source=self._settings.source)
        keeping_s = min(_KEEPING_MOST_S, _left_s(deadline) * _KEEPING_SHARE)
        if await asyncio.to_thread(self._outbox.may_send_directly, timeout_s=keeping_s):
            return await self._send(event, deadline, keeping_s)
        why = "" if self._settings.url else "POSTA_URL is not set"
        left_s = _left_s(deadline) - keeping_s
        receipt = await asyncio.to_thread(self._outbox.keep, event, why, timeout_s=left_s)
        if receipt.state is State.LOST and await asyncio.to_thread(self._outbox.may_send_at_all):
            ahead = await self._send(event, deadline, keeping_s)
            return await self._drained(event, ahead, deadline)
        if receipt.state is not State.KEPT or not self._settings.url:
            return receipt
        return await self._drained(event, receipt, deadline)

    async def _send(self, event: Event, deadline: float, keeping_s: float) -> Receipt:
        verdict = await self._post([event], deadline - keeping_s)
        return await asyncio.to_thread(self._outbox.settle_one, event, verdict, timeout_s=_left_s(deadline))

    async def _drained(self, event: Event, receipt: Receipt, deadline: float) -> Receipt:
        """Wait for the event's turn as long as the budget lasts."""
        drain = Drain(posta_ids={})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_left_s(deadline)):
                await self._drain(drain, until_id=event.id)
        if drain.posta_ids is not None and event.id in drain.posta_ids:
            return Receipt(id=event.id, state=State.SENT, posta_id=drain.posta_ids[event.id])
        return receipt

    async def _drain(self, drain: Drain, *, until_id: str | None) -> None:
        lock = self._outbox.lock()
        if lock is None:
            return
        async with self._draining:
            with lock:
                try:
                    while lock.is_held and (batch := await asyncio.to_thread(self._outbox.next_batch, drain)):
                        events = [kept.event for kept in batch]
                        verdict = await self._post(events, time.monotonic() + _REQUEST_S)
                        # To its end even when cancelled: what Posta has must not stay in the spool.
                        settling = asyncio.to_thread(self._outbox.settle, drain, batch, verdict)
                        if not await asyncio.shield(settling):
                            break
                        if drain.posta_ids is not None and until_id in drain.posta_ids:
                            break
                except SpoolError as exc:
                    log.warning("the spool cannot be drained: %s", exc)

    async def _drain_forever(self, every_s: float) -> None:
        while True:
            await self._drain(Drain(), until_id=None)
            await asyncio.sleep(every_s)

    async def _post(self, events: list[Event], deadline: float) -> Verdict:
        prepared = prepare(self._settings, events)
        budget_s = _left_s(deadline)
        try:
            if self._client is None:
                self._client = httpx.AsyncClient(
                    timeout=_REQUEST_S, follow_redirects=False, transport=self._transport
                )
            async with asyncio.timeout(budget_s):
                response = await self._client.post(
                    prepared.url,
                    content=prepared.content,
                    headers=prepared.headers,
                    timeout=timeouts(budget_s),
                )
        except TimeoutError:
            return fault(httpx.ReadTimeout("no answer within the budget"))
        except Exception as exc:  # noqa: BLE001 - whatever it is, the caller and the spool must learn of it
            return fault(exc)
        return judge(
            response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content
        )


def _left_s(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())

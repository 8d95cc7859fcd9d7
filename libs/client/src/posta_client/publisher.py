"""Publishes events from programs without an event loop; never waits beyond its budget, never raises unasked.

A daemon thread does the sending: whatever the network does, down to a name server that does not
answer, the caller waits for the thread and not for the network.
"""

import atexit
import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
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
"""Of the budget is left for the disk when the network took the rest."""
_KEEPING_MOST_S = 0.5
_REQUEST_S = 10.0
"""One request of a drain; nobody waits for it longer than their budget."""
_NO_OPTIONS = Options()


class Publisher(ReadyMade[Receipt]):
    """One program's way to Posta; safe for many threads, and after a fork."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        drain_every_s: float | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Read the environment without ``settings``; drain by itself every ``drain_every_s`` seconds.

        ``transport`` takes the place of the network.
        """
        self._settings = settings or from_environment()
        self._transport = transport
        self._outbox = Outbox(self._settings)
        self._drain_every_s = drain_every_s
        self._guard = threading.Lock()
        self._sender: _Sender | None = None
        if drain_every_s is not None:
            self._sending()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def publish(
        self,
        type_: str,
        data: object = None,
        options: Options | None = None,
        *,
        budget_s: float | None = None,
        strict: bool = False,
    ) -> Receipt:
        """Hand an event over and say how it fared, within ``budget_s`` seconds.

        Raises ``NotPublished``, and only with ``strict``, when the event is neither sent nor kept.
        """
        budget_s = self._settings.budget_s if budget_s is None else budget_s
        try:
            receipt = self._publish(type_, data, options or _NO_OPTIONS, time.monotonic() + budget_s)
        except Exception as exc:  # publishing must never break the program that reports
            log.exception("an event could not be published")
            receipt = Receipt(id="", state=State.LOST, reason=f"{type(exc).__name__}: {exc}")
        if receipt.state is State.LOST:
            log.error("event %s is lost: %s", receipt.id, receipt.reason)
        if strict and not receipt.is_safe:
            raise NotPublished(receipt)
        return receipt

    def drain(self, *, budget_s: float = 60.0) -> int:
        """Send what is kept, oldest first, for at most so long; returns how many events were sent."""
        try:
            return self._sending().drain(None).result(timeout=budget_s).sent
        except (FutureTimeoutError, CancelledError):
            return 0

    def contents(self) -> Contents:
        """How much is kept. Raises ``SpoolError``."""
        return self._outbox.contents()

    @property
    def outbox(self) -> Outbox:
        """The spool and its rules, for the command line."""
        return self._outbox

    def close(self) -> None:
        """Let the thread end; what is kept stays kept."""
        with self._guard:
            sender, self._sender = self._sender, None
        if sender is not None:
            sender.end()
        self._outbox.close()

    def _publish(self, type_: str, data: object, options: Options, deadline: float) -> Receipt:
        if options.destination is None and self._settings.destination is not None:
            options = replace(options, destination=self._settings.destination)
        event = make_event(type_, data, options, source=self._settings.source)
        keeping_s = min(_KEEPING_MOST_S, max(0.0, deadline - time.monotonic()) * _KEEPING_SHARE)
        if self._outbox.may_send_directly(timeout_s=keeping_s):
            return self._send(event, deadline, keeping_s)
        receipt = self._outbox.keep(event, self._why_kept(), timeout_s=_left_s(deadline) - keeping_s)
        if receipt.state is State.LOST and self._outbox.may_send_at_all():
            ahead = self._send(event, deadline, keeping_s)
            self._sending().drain(None)  # nobody waits for it
            return ahead
        if receipt.state is not State.KEPT or not self._settings.url:
            return receipt
        return self._drained(event, receipt, deadline)

    def _why_kept(self) -> str:
        return "" if self._settings.url else "POSTA_URL is not set"

    def _send(self, event: Event, deadline: float, keeping_s: float) -> Receipt:
        sending = self._sending().send(event, deadline - keeping_s)
        try:
            verdict = sending.result(timeout=_left_s(deadline - keeping_s))
        except (FutureTimeoutError, CancelledError):
            # It may arrive all the same, and then a second time: with the same id, so it is one event.
            sending.cancel()
            verdict = fault(httpx.ReadTimeout("no answer within the budget"))
        return self._outbox.settle_one(event, verdict, timeout_s=_left_s(deadline))

    def _drained(self, event: Event, receipt: Receipt, deadline: float) -> Receipt:
        """Wait for the event's turn as long as the budget lasts."""
        with contextlib.suppress(FutureTimeoutError, CancelledError):
            drain = self._sending().drain(event.id).result(timeout=_left_s(deadline))
            if drain.posta_ids is not None and event.id in drain.posta_ids:
                return Receipt(id=event.id, state=State.SENT, posta_id=drain.posta_ids[event.id])
        return receipt

    def _sending(self) -> "_Sender":
        with self._guard:
            if self._sender is None or not self._sender.is_usable():
                self._sender = _Sender(self._settings, self._outbox, self._drain_every_s, self._transport)
            return self._sender


Job = Callable[[httpx.Client], None]


class _Sender:
    """The thread that sends, and the queue of what it is asked to."""

    def __init__(
        self,
        settings: Settings,
        outbox: Outbox,
        drain_every_s: float | None,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._outbox = outbox
        self._drain_every_s = drain_every_s
        self._pid = os.getpid()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="posta-client", daemon=True)
        self._thread.start()
        atexit.register(self.end)

    def is_usable(self) -> bool:
        """Whether the thread runs; a fork has left it behind."""
        return self._pid == os.getpid() and self._thread.is_alive()

    def send(self, event: Event, deadline: float) -> "Future[Verdict]":
        """Send one event, if its turn comes before ``deadline``."""
        future: Future[Verdict] = Future()

        def job(client: httpx.Client) -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(self._post(client, [event], deadline - time.monotonic()))

        self._jobs.put(job)
        return future

    def drain(self, until_id: str | None) -> "Future[Drain]":
        """Send what is kept; until that event is sent, or until nothing waits."""
        future: Future[Drain] = Future()

        def job(client: httpx.Client) -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(self._drain(client, until_id))

        self._jobs.put(job)
        return future

    def end(self) -> None:
        """Let the thread end after what it is doing; not waited for long."""
        atexit.unregister(self.end)
        self._jobs.put(None)
        if self.is_usable():
            self._thread.join(timeout=0.2)

    def _work(self) -> None:
        with httpx.Client(timeout=_REQUEST_S, follow_redirects=False, transport=self._transport) as client:
            while True:
                try:
                    job = self._jobs.get(timeout=self._drain_every_s)
                except queue.Empty:
                    self._drain(client, None)
                    continue
                if job is None:
                    return
                job(client)

    def _drain(self, client: httpx.Client, until_id: str | None) -> Drain:
        drain = Drain(posta_ids={} if until_id is not None else None)
        lock = self._outbox.lock()
        if lock is None:
            return drain
        with lock:
            try:
                while lock.is_held and (batch := self._outbox.next_batch(drain)):
                    verdict = self._post(client, [kept.event for kept in batch], _REQUEST_S)
                    if not self._outbox.settle(drain, batch, verdict):
                        break
                    if drain.posta_ids is not None and until_id in drain.posta_ids:
                        break
            except SpoolError as exc:
                log.warning("the spool cannot be drained: %s", exc)
        return drain

    def _post(self, client: httpx.Client, events: list[Event], budget_s: float) -> Verdict:
        prepared = prepare(self._settings, events)
        try:
            response = client.post(
                prepared.url, content=prepared.content, headers=prepared.headers, timeout=timeouts(budget_s)
            )
        except Exception as exc:  # noqa: BLE001 - whatever it is, the caller and the spool must learn of it
            return fault(exc)
        return judge(
            response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.content
        )


def _left_s(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())

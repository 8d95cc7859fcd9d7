"""Answers an interaction that came by its own lane: traced, counted and refused as the application does."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry import context as current_context
from opentelemetry.trace import SpanKind

from ingress.interactions.route import PATH, Interactions
from ingress.interactions.wire import Arrival
from posta.http.problem import Problem, problem_response, unexpected
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import RECORDED, TRACE_HEADERS, Passage, context_of, span

log = get_logger(__name__)
_METHOD = "POST"
_NAME = f"{_METHOD} {PATH}"
_JSON = ((b"content-type", b"application/json"),)
_TRACE = tuple((name, name.encode()) for name in sorted(TRACE_HEADERS))
_OK = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    """Without Content-Length."""
    body: bytes


class Reception:
    """What every connection's lane leads to."""

    def __init__(self, interactions: Interactions) -> None:
        self._interactions = interactions
        self._passage = Passage()
        self._seconds = names.HTTP_SECONDS.labels(PATH, _METHOD)
        self._answered = names.HTTP_REQUESTS.labels(PATH, _METHOD, str(_OK))
        self.max_body_bytes = interactions.max_body_bytes

    async def answer(self, arrival: Arrival) -> Answer:
        """Whatever happens, an answer."""
        started = time.monotonic()
        code = 500
        try:
            answer = await self._traced(arrival)
            code = answer.status
        finally:
            (self._answered if code == _OK else names.HTTP_REQUESTS.labels(PATH, _METHOD, str(code))).inc()
            self._seconds.observe(time.monotonic() - started)
        return answer

    async def _traced(self, arrival: Arrival) -> Answer:
        headers = arrival.headers
        carried = [(name, headers[key]) for name, key in _TRACE if key in headers]
        context = self._passage.or_new(carried)
        if context is not RECORDED:
            token = current_context.attach(context)
            try:
                return await self._answered_or_refused(arrival)
            finally:
                current_context.detach(token)
        with span(_NAME, kind=SpanKind.SERVER, parent=context_of(carried)) as current:
            answer = await self._answered_or_refused(arrival)
            current.set_attributes(
                {
                    "http.request.method": _METHOD,
                    "http.route": PATH,
                    "http.response.status_code": answer.status,
                }
            )
            return answer

    async def _answered_or_refused(self, arrival: Arrival) -> Answer:
        headers = arrival.headers
        try:
            body = await self._interactions.answer(
                arrival.body,
                signature=_text(headers.get(b"x-signature-ed25519")),
                timestamp=_text(headers.get(b"x-signature-timestamp")),
            )
        except Problem as problem:
            return _refusal(problem)
        except Exception as exc:
            # Whatever it is, Discord gets an answer and the operator the error.
            log.exception("http_unexpected_error", error=type(exc).__name__)
            return _refusal(unexpected())
        return Answer(_OK, _JSON, body)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")


def _refusal(problem: Problem) -> Answer:
    response = problem_response(problem)
    headers = [pair for pair in response.raw_headers if pair[0] != b"content-length"]
    return Answer(response.status_code, headers, bytes(response.body))

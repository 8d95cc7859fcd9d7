"""Traces: spans to an OTLP/HTTP collector when one is set, and W3C context on every record.

One trace runs from the first request through every hop, retry and replay: a record carries the
``traceparent`` of the event's creation, each handling is a CONSUMER span whose parent is that
context, and what it publishes carries the handling's own context. A handling that follows a failed
one, or a replay, is linked to it: so the attempts of a record are a chain in its trace.
"""

import os
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, ParentBased
from opentelemetry.trace import (
    INVALID_SPAN,
    INVALID_SPAN_CONTEXT,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from posta.domain.redaction import redact

ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
TRACE_HEADERS = frozenset({"traceparent", "tracestate"})
_tracer = trace.get_tracer("posta")
RECORDED = Context({"posta": "recorded"})
"""Stands for the context of a span that is yet to begin."""
_EXAMPLE = b"00-00000000000000000000000000000001-0000000000000001-00"
_UNSAMPLED_DIGITS = frozenset({b"0", b"2", b"4", b"6", b"8", b"a", b"c", b"e"})
_WITH_PARENT = frozenset({"tracestate", "baggage"})

RecordHeaders = Iterable[tuple[str, bytes]]


def setup_tracing(*, service: str, version: str) -> TracerProvider:
    """Install the tracer provider; spans leave the process only if an OTLP endpoint is set.

    A collector that is away costs nothing but the spans: the queue is bounded and drops. Without an
    endpoint nothing is recorded: ids are made and passed on, for the logs, and that is all it costs.
    With one, ``OTEL_TRACES_SAMPLER`` decides (all, by default).
    """
    is_exported = any(os.environ.get(name) for name in ENDPOINT_VARIABLES)
    provider = TracerProvider(
        sampler=None if is_exported else ParentBased(root=ALWAYS_OFF),
        resource=Resource.create({"service.name": service, "service.version": version}),
    )
    if is_exported:
        exporter = OTLPSpanExporter(timeout=5)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    trace.set_tracer_provider(provider)
    return provider


class _RecordGetter(Getter[RecordHeaders]):
    def get(self, carrier: RecordHeaders, key: str) -> list[str] | None:
        # The last one counts: a forwarding hop that appended its own context means that one.
        values = [value.decode("ascii", "replace") for name, value in carrier if name == key]
        return values[-1:] or None

    def keys(self, carrier: RecordHeaders) -> list[str]:
        return [name for name, _ in carrier]


_GETTER = _RecordGetter()


def context_of(headers: RecordHeaders) -> Context:
    """The trace context a record carries; an empty one when it carries none."""
    return propagate.extract(headers, context=Context(), getter=_GETTER)


def current_trace_headers() -> dict[str, str]:
    """The ``traceparent`` and ``tracestate`` of the span that is current now."""
    current = trace.get_current_span()
    if type(current) is _New:
        return {"traceparent": current.parent}
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return {name: value for name, value in carrier.items() if name in TRACE_HEADERS}


def onward_trace_headers() -> dict[str, str]:
    """The trace headers for what is published now: the current trace's, or those of a new one."""
    headers = current_trace_headers()
    if headers:
        return headers
    with _tracer.start_as_current_span("publish", context=Context(), kind=SpanKind.PRODUCER):
        return current_trace_headers()


class Passage:
    """What becomes of the trace that a record comes with: recorded by a span of ours, or passed on.

    Asked for each record, so the sampler is asked once only: whether it would ever record a trace
    that begins here, or one that somebody upstream decided not to sample.
    """

    def __init__(self) -> None:
        self._records_new = _would_record(Context())
        self._records_unsampled = _would_record(_within(_Passed(_EXAMPLE)))

    def of(self, headers: RecordHeaders) -> Context | None:
        """``RECORDED``, the context to work in without a span, or None: there is none to pass on."""
        parent = None
        is_alone = True
        for name, value in headers:
            if name == "traceparent":
                parent = value
            elif name in _WITH_PARENT:
                is_alone = False
        if parent is None:
            return RECORDED if self._records_new else None
        # W3C trace context: the last digit's lowest bit says whether it is sampled upstream.
        if self._records_unsampled or parent[-1:] not in _UNSAMPLED_DIGITS:
            return RECORDED
        return _within(_Passed(parent)) if is_alone else context_of(headers)

    def or_new(self, headers: RecordHeaders) -> Context:
        """Like ``of``; where there is none to pass on, the context of a new trace that nobody records."""
        found = self.of(headers)
        if found is not None:
            return found
        # Ids need to be unlike any other, not hard to guess.
        trace_id, span_id = random.getrandbits(128) or 1, random.getrandbits(64) or 1
        return _within(_New(f"00-{trace_id:032x}-{span_id:016x}-00"))


class _Passed(NonRecordingSpan):
    """The span of somebody upstream who does not record it; read only when somebody asks for its ids."""

    def __init__(self, parent: bytes) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self._parent: bytes | None = parent
        self._header = parent

    def get_span_context(self) -> SpanContext:
        if self._parent is not None:
            self._context = _ids_of(self._parent)
            self._parent = None
        return self._context

    def ids(self) -> tuple[str, str] | None:
        """The trace's and the span's id as hex digits, without making numbers of them."""
        found = _TRACEPARENT(self._header)
        if found is None or found[1] == _NO_TRACE or found[2] == _NO_SPAN:
            return _as_digits(self.get_span_context())
        return found[1].decode(), found[2].decode()


class _New(_Passed):
    """The first span of a trace that nobody records: ids for logs and records, and nothing else."""

    def __init__(self, parent: str) -> None:
        super().__init__(parent.encode())
        self.parent = parent


_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})").fullmatch
_NO_TRACE, _NO_SPAN = b"0" * 32, b"0" * 16


def _ids_of(parent: bytes) -> SpanContext:
    """What a ``traceparent`` says; one of today's version at a tenth of the library's time."""
    found = _TRACEPARENT(parent)
    if found is None:
        context = context_of((("traceparent", parent),))
        return trace.get_current_span(context).get_span_context()
    trace_id, span_id, flags = (int(digits, 16) for digits in found.groups())
    if not trace_id or not span_id:
        return INVALID_SPAN_CONTEXT
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))


def _as_digits(context: SpanContext) -> tuple[str, str] | None:
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None


_SPAN_KEY = next(iter(trace.set_span_in_context(INVALID_SPAN, Context())))
"""Under which a context keeps its span: the library's own functions take four times as long."""


def _within(current: Span) -> Context:
    return Context({_SPAN_KEY: current})


def begin_span(
    name: str,
    *,
    kind: SpanKind,
    headers: RecordHeaders,
    attributes: Mapping[str, str | int],
    follows: str | None = None,
) -> tuple[Span, Context]:
    """A span below the trace that ``headers`` carry, and the context to work in; the caller ends it.

    ``follows`` is the ``traceparent`` of the attempt before, to be linked to.
    """
    parent = context_of(headers)
    begun = _tracer.start_span(
        name, context=parent, kind=kind, attributes=dict(attributes), links=_links(follows)
    )
    return begun, trace.set_span_in_context(begun, parent)


def traceparent_of(current: Span) -> str | None:
    """By what a later span can be linked to ``current``; None when nobody records it."""
    if not current.is_recording():
        return None
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context=trace.set_span_in_context(current, Context()))
    return carrier.get("traceparent")


def _links(follows: str | None) -> list[Link]:
    if follows is None:
        return []
    context = trace.get_current_span(context_of((("traceparent", follows.encode()),))).get_span_context()
    return [Link(context, {"posta.link": "previous attempt"})] if context.is_valid else []


def _would_record(parent: Context) -> bool:
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        return False
    # The lowest trace id: a sampler that records any share of them records this one.
    return provider.sampler.should_sample(parent, 1, "posta").decision is not Decision.DROP


def current_ids() -> tuple[str, str] | None:
    """The current trace's id as 32 hex digits and the span's as 16, or None outside any trace."""
    current = trace.get_current_span()
    return current.ids() if isinstance(current, _Passed) else _as_digits(current.get_span_context())


def current_trace_id() -> str | None:
    """The current trace's id as 32 hex digits, or None outside any trace."""
    ids = current_ids()
    return None if ids is None else ids[0]


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
    attributes: Mapping[str, str | int | float | bool] | None = None,
    follows: str | None = None,
) -> Iterator[Span]:
    """A current span, linked as in ``begin_span``; an exception marks it failed with its redacted text."""
    with _tracer.start_as_current_span(
        name,
        context=parent,
        kind=kind,
        attributes=dict(attributes or {}),
        links=_links(follows),
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as exc:
            fail(current, exc)
            raise


@contextmanager
def child_span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, str | int | float | bool] | None = None,
) -> Iterator[Span]:
    """Like ``span`` inside a trace, and no span outside one: a routine poll would be a trace of nothing."""
    if not trace.get_current_span().get_span_context().is_valid:
        yield trace.INVALID_SPAN
        return
    with span(name, kind=kind, attributes=attributes) as current:
        yield current


def fail(current: Span, error: BaseException) -> None:
    """Mark a span failed without quoting anything secret."""
    current.set_attribute("error.type", type(error).__name__)
    current.set_status(Status(StatusCode.ERROR, redact(str(error))[:300]))

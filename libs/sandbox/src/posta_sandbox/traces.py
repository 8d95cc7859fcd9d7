"""A small receiver of OpenTelemetry traces (OTLP over HTTP, protobuf), bounded in memory."""

import gzip
import zlib
from collections import OrderedDict
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no stubs locked
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACES_KEPT = 1_000
SPANS_KEPT_PER_TRACE = 2_000
SPANS_KEPT = 50_000
_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")


class UndecodableTraces(Exception):
    """The body is not an OTLP export request."""


class Traces:
    """The newest traces, by the time their first span arrived."""

    def __init__(self) -> None:
        self._spans: OrderedDict[str, dict[str, dict[str, Any]]] = OrderedDict()
        self._kept = 0
        self.version = 0

    def receive(self, body: bytes, *, encoding: str = "identity") -> int:
        """Take an export request in; returns the number of spans. Raises UndecodableTraces."""
        try:
            raw = gzip.decompress(body) if encoding == "gzip" else body
            request = ExportTraceServiceRequest.FromString(raw)
        except (DecodeError, OSError, EOFError, zlib.error) as exc:
            raise UndecodableTraces(f"not an OTLP trace export: {exc}") from exc
        spans = spans_of(request)
        for span in spans:
            self._keep(span)
        self.version += 1
        return len(spans)

    def _keep(self, span: dict[str, Any]) -> None:
        spans = self._spans.setdefault(span["trace_id"], {})
        if len(spans) < SPANS_KEPT_PER_TRACE and span["span_id"] not in spans:
            spans[span["span_id"]] = span
            self._kept += 1
        while len(self._spans) > TRACES_KEPT or (self._kept > SPANS_KEPT and len(self._spans) > 1):
            self._kept -= len(self._spans.pop(self._least_telling()))

    def _least_telling(self) -> str:
        """Return the oldest trace of one span (a poller's, mostly), or the oldest of all."""
        oldest = next(iter(self._spans))
        older = list(self._spans)[:-1]
        return next((trace_id for trace_id in older if len(self._spans[trace_id]) == 1), oldest)

    def newest(self, limit: int = 200) -> list[dict[str, Any]]:
        """Return a line for each of the newest traces, newest first."""
        return [summary([*spans.values()]) for spans in [*self._spans.values()][-limit:]][::-1]

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        """Return one trace's spans by their start; empty when it is not known."""
        return sorted(self._spans.get(trace_id, {}).values(), key=lambda s: int(s["start_ns"]))

    def clear(self) -> None:
        """Forget all traces."""
        self._spans.clear()
        self._kept = 0
        self.version += 1


def summary(spans: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a list shows of a trace: its root (or earliest) span, its services, its length."""
    known = {span["span_id"] for span in spans}
    roots = [span for span in spans if span["parent_span_id"] not in known]
    root = min(roots or spans, key=lambda s: int(s["start_ns"]))
    start = min(int(span["start_ns"]) for span in spans)
    end = max(int(span["end_ns"]) for span in spans)
    return {
        "trace_id": root["trace_id"],
        "name": root["name"],
        "service": root["service"],
        "services": sorted({span["service"] for span in spans}),
        "spans": len(spans),
        "errors": sum(span["status"] == "error" for span in spans),
        "start_ns": str(start),
        "ms": round((end - start) / 1e6, 3),
    }


def spans_of(request: ExportTraceServiceRequest) -> list[dict[str, Any]]:
    """Return the spans of an export request as plain dictionaries; times are decimal strings."""
    found = []
    for resource in request.resource_spans:
        service = _attributes(list(resource.resource.attributes)).get("service.name", "unknown")
        for scope in resource.scope_spans:
            found += [_span(span, str(service), scope.scope.name) for span in scope.spans]
    return found


def _span(span: Span, service: str, scope: str) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex() or None,
        "name": span.name,
        "kind": _KINDS[span.kind],
        "service": service,
        "scope": scope,
        "start_ns": str(span.start_time_unix_nano),
        "end_ns": str(span.end_time_unix_nano),
        "ms": round((span.end_time_unix_nano - span.start_time_unix_nano) / 1e6, 3),
        "status": _STATUSES[span.status.code],
        "status_message": span.status.message,
        "attributes": _attributes(list(span.attributes)),
        "events": [
            {
                "name": event.name,
                "at_ns": str(event.time_unix_nano),
                "attributes": _attributes(list(event.attributes)),
            }
            for event in span.events
        ],
        "links": [{"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()} for link in span.links],
    }


def _attributes(pairs: list[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(list(value.kvlist_value.values))
        case "bytes_value":
            return value.bytes_value.hex()
        case None:
            return None
        case name:
            return getattr(value, name)

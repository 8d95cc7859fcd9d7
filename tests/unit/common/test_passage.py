"""What becomes of the trace a record comes with: passed on unrecorded, or recorded by a span of ours."""

import pytest
from opentelemetry import trace
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from posta.telemetry import tracing
from posta.telemetry.tracing import RECORDED, Passage, current_trace_headers, current_trace_id

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def headers(flags: str, *more: tuple[str, bytes]) -> tuple[tuple[str, bytes], ...]:
    return (("ce_id", b"1"), ("traceparent", f"00-{TRACE}-{SPAN}-{flags}".encode()), *more)


@pytest.fixture
def passage(request, monkeypatch) -> Passage:
    provider = TracerProvider(sampler=request.param)
    monkeypatch.setattr(tracing.trace, "get_tracer_provider", lambda: provider)
    return Passage()


silent = pytest.mark.parametrize("passage", [ParentBased(root=ALWAYS_OFF)], indirect=True)
exported = pytest.mark.parametrize("passage", [ParentBased(root=ALWAYS_ON)], indirect=True)
everything = pytest.mark.parametrize("passage", [ALWAYS_ON], indirect=True)


@silent
@pytest.mark.parametrize("flags", ["00", "02"])
def test_an_unsampled_trace_is_passed_on_as_it_came(passage, flags):
    token = attach(passage.of(headers(flags)))
    try:
        assert current_trace_id() == TRACE
        assert current_trace_headers()["traceparent"].startswith(f"00-{TRACE}-{SPAN}-")
        assert not trace.get_current_span().is_recording()
    finally:
        detach(token)


@silent
def test_its_tracestate_goes_with_it(passage):
    token = attach(passage.of(headers("00", ("tracestate", b"vendor=1"))))
    try:
        assert current_trace_headers()["tracestate"] == "vendor=1"
    finally:
        detach(token)


@silent
def test_words_that_are_no_trace_give_none(passage):
    token = attach(passage.of((("traceparent", b"rubbish-00"),)))
    try:
        assert current_trace_id() is None
    finally:
        detach(token)


@silent
def test_a_sampled_trace_is_recorded_and_a_record_without_one_begins_none(passage):
    assert passage.of(headers("01")) is RECORDED
    assert passage.of((("ce_id", b"1"),)) is None


@exported
def test_with_a_collector_a_record_without_a_trace_begins_one(passage):
    assert passage.of(()) is RECORDED
    assert passage.of(headers("00")) is not RECORDED


@everything
def test_a_sampler_that_takes_everything_gets_everything(passage):
    assert passage.of(headers("00")) is RECORDED

"""The attempts of a record on real Kafka: one trace, each attempt linked to the one before, replays too."""

from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.engine_rig import event, eventually, rig, running

from posta.domain.envelope import Wire, encode
from posta.domain.failure import delivery_headers, read_delivery, with_headers
from posta.errors import Permanent, Transient
from posta.telemetry import tracing

pytestmark = pytest.mark.integration
TRACE, CREATION = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def spans(monkeypatch):
    """What is exported; the provider of this test alone."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("posta"))
    monkeypatch.setattr(tracing.trace, "get_tracer_provider", lambda: provider)
    yield lambda: [span for span in exporter.get_finished_spans() if span.name.startswith("process")]
    provider.shutdown()


async def test_each_attempt_is_linked_to_the_one_before_over_memory_lanes_dead_letter_and_replay(
    kafka, topic_prefix, spans
):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        ended = []

        async def handler(message):
            if message.delivery.redrive:
                ended.append(message)
                return
            if message.attempt == 3:
                raise Permanent("no use")
            raise Transient("not yet", retry_after_s=(0.05, 1.1)[message.attempt - 1])

        traced = encode(event(1), {"traceparent": f"00-{TRACE}-{CREATION}-01"})
        async with running(world.engine(handler)):
            await world.send(traced)
            (dead,) = await world.read("workers.dlq", count=1)
            await world.producer.publish("workers.retry.1s", [replayed(dead)], timeout_s=10)
            await eventually(lambda: bool(ended))
        await eventually(lambda: len(spans()) == 4)
        first, second, third, after_replay = spans()
        assert [span.attributes["posta.attempt"] for span in spans()] == [1, 2, 3, 1]
        assert {f"{span.context.trace_id:032x}" for span in spans()} == {TRACE}
        assert {f"{span.parent.span_id:016x}" for span in spans()} == {CREATION}, "gaps, no nested retries"
        assert first.links == ()
        for earlier, later in ((first, second), (second, third), (third, after_replay)):
            (link,) = later.links
            assert link.context.span_id == earlier.context.span_id
            assert link.context.trace_id == earlier.context.trace_id


async def test_a_trace_that_nobody_samples_costs_no_header(kafka, topic_prefix, spans):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:

        async def handler(_message):
            raise Permanent("no")

        async with running(world.engine(handler)):
            await world.send(encode(event(1), {"traceparent": f"00-{TRACE}-{CREATION}-00"}))
            (dead,) = await world.read("workers.dlq", count=1)
        assert "posta-previous-span" not in dict(dead.headers)
        assert spans() == []


def replayed(dead):
    """A dead letter as an admin's replay without a span publishes it."""
    headers = tuple(dead.headers)
    delivery = read_delivery(topic="?", partition=0, offset=0, timestamp_ms=0, headers=headers)
    anew = replace(delivery, attempt=1, not_before=0.0, lane_due=0.0, redrive=1)
    return Wire(key=dead.key, value=dead.value, headers=with_headers(headers, delivery_headers(anew)))

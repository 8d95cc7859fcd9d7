import asyncio
import gzip
import json
import tracemalloc

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from prometheus_client import REGISTRY
from support.llm_asking import lineup

from llm_worker.prompt import Prompt
from llm_worker.providers.completion import Completion, Failed
from llm_worker.providers.http import HttpProvider
from llm_worker.providers.port import Request, Timeouts
from posta.errors import NotNow, Permanent, Transient
from posta.telemetry import tracing

PROMPT = Prompt(system="Be brief.", user="<question>\nWhy?\n</question>")
GOOD = {
    "id": "chatcmpl-1",
    "model": "m-served",
    "choices": [{"message": {"content": "Because."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 3},
}


async def result_of(handle, *, text="", limits=None, **fields):
    settings = {"base_url": "https://llm.example/v1/", "api_key": "sk-test", "model": "m", **fields}
    (model,) = lineup(text, **settings).models.values()
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        provider = HttpProvider(client, model, clock=lambda: 0.0)
        request = Request(prompt=PROMPT, max_tokens=model.max_tokens, timeouts=limits or Timeouts(total_s=5))
        return await provider.ask(request)


async def ask(handle, **fields):
    """The completion, or its failure raised."""
    verdict = (await result_of(handle, **fields)).verdict
    if isinstance(verdict, Failed):
        raise verdict.failure
    assert isinstance(verdict, Completion)
    return verdict


def answers(status=200, content=None, **more):
    return lambda _request: httpx.Response(
        status, json=GOOD if content is None else None, content=content, **more
    )


def bomb(status=200, **headers):
    """40 kB that come to 40 MB."""
    content = gzip.compress(b" " * 40_000_000)
    headers = {"content-encoding": "gzip", **headers}
    return lambda _request: httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def count(outcome):
    labels = {"upstream": "llm", "outcome": outcome}
    return REGISTRY.get_sample_value("posta_upstream_requests_total", labels) or 0.0


def tokens(model, kind):
    return REGISTRY.get_sample_value("posta_llm_tokens_total", {"model": model, "kind": kind}) or 0.0


async def test_the_request_is_what_the_api_wants():
    seen = []

    def handle(request):
        seen.append(request)
        return httpx.Response(200, json=GOOD)

    found = await ask(handle, max_tokens=77)
    assert found.text == "Because."
    (request,) = seen
    assert str(request.url) == "https://llm.example/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-test"
    assert json.loads(request.content) == {
        "model": "m",
        "messages": PROMPT.messages,
        "max_completion_tokens": 77,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_without_a_key_none_is_sent():
    seen = []

    def handle(request):
        seen.append(request.headers)
        return httpx.Response(200, json=GOOD)

    await ask(handle, api_key="")
    assert "authorization" not in seen[0]
    assert seen[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("handle", "outcome", "failure"),
    [
        pytest.param(answers(400, b"{}"), "refused", Permanent, id="400"),
        pytest.param(answers(401, b"{}"), "unauthorized", Permanent, id="401"),
        pytest.param(answers(413, b"{}"), "too_large", Permanent, id="413"),
        pytest.param(answers(429, b"{}", headers={"retry-after": "3"}), "throttled", NotNow, id="429"),
        pytest.param(
            answers(429, b'{"error":{"code":"insufficient_quota"}}'),
            "quota_exhausted",
            Permanent,
            id="no credit",
        ),
        pytest.param(
            answers(302, b"", headers={"location": "https://elsewhere/"}), "redirected", Permanent, id="302"
        ),
        pytest.param(answers(500, b"oops"), "server_error", Transient, id="500"),
        pytest.param(
            answers(200, b"<html>", headers={"content-type": "text/html"}), "not_json", Transient, id="HTML"
        ),
        pytest.param(answers(200, b'{"choices":[{'), "truncated", Transient, id="truncated"),
        pytest.param(answers(200, b'{"choices":[]}'), "no_choices", Transient, id="empty choices"),
        pytest.param(bomb(), "compressed", Transient, id="gzip bomb"),
        pytest.param(
            bomb(**{"content-type": "text/event-stream"}), "compressed", Transient, id="gzip bomb, streamed"
        ),
        pytest.param(bomb(429, **{"retry-after": "3"}), "throttled", NotNow, id="gzip bomb, 429"),
        pytest.param(bomb(503), "server_error", Transient, id="gzip bomb, 503"),
        pytest.param(answers(200, b"x" * 3_000_000), "not_json", Transient, id="endless"),
    ],
)
async def test_an_answer_is_counted_by_its_name_and_raised_as_its_class(handle, outcome, failure):
    before = count(outcome)
    with pytest.raises(failure) as caught:
        await ask(handle)
    assert type(caught.value) is failure
    assert count(outcome) == before + 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        pytest.param(httpx.ConnectError("https://user:secret@llm.example"), "connection", id="refused"),
        pytest.param(httpx.ReadError("reset"), "connection", id="reset"),
        pytest.param(httpx.RemoteProtocolError("closed"), "connection", id="closed without an answer"),
        pytest.param(httpx.ConnectTimeout("slow"), "timeout", id="connect timeout"),
        pytest.param(httpx.ReadTimeout("slow"), "timeout", id="read timeout"),
        pytest.param(httpx.PoolTimeout("slow"), "timeout", id="pool timeout"),
    ],
)
async def test_a_broken_connection_is_transient_and_its_text_is_kept_out(error, outcome):
    def handle(_request):
        raise error

    before = count(outcome)
    with pytest.raises(Transient) as caught:
        await ask(handle)
    assert count(outcome) == before + 1
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 429, 503])
async def test_a_compressed_answer_is_never_unpacked(status):
    handle = bomb(status)
    tracemalloc.start()
    try:
        await result_of(handle)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4_000_000


async def test_a_call_never_takes_longer_than_it_may():
    async def handle(_request):
        await asyncio.sleep(60)
        return httpx.Response(200)

    with pytest.raises(Transient, match="did not begin to answer in 0.05 s"):
        await ask(handle, limits=Timeouts(first_token_s=0.05))
    with pytest.raises(Transient, match="did not answer in 0.05 s"):
        await ask(handle, limits=Timeouts().within(0.05))


async def test_tokens_are_counted_as_the_provider_counts_them():
    await ask(answers(), model="counted")
    assert (tokens("counted", "input"), tokens("counted", "output")) == (10, 3)


async def test_tokens_nobody_counted_are_estimated_under_their_own_name():
    silent = {name: value for name, value in GOOD.items() if name != "usage"}
    await ask(lambda _request: httpx.Response(200, json=silent), model="silent")
    assert tokens("silent", "input") == 0
    assert tokens("silent", "input_estimated") == 9
    assert tokens("silent", "output_estimated") == 2


@pytest.fixture
def spans(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


async def test_a_span_describes_the_call_and_holds_neither_prompt_nor_key(spans):
    await ask(answers())
    (one,) = spans.get_finished_spans()
    assert one.name == "chat m"
    assert dict(one.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.max_tokens": 150,
        "gen_ai.response.model": "m-served",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 3,
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "llm.example",
        "server.port": 443,
        "posta.outcome": "ok",
    }


async def test_the_span_of_a_failed_call_is_failed_by_name(spans):
    with pytest.raises(Transient):
        await ask(answers(503, b""))
    (one,) = spans.get_finished_spans()
    assert one.status.status_code is StatusCode.ERROR
    assert one.attributes["posta.outcome"] == "server_error"
    assert one.attributes["http.response.status_code"] == 503


async def test_a_cancelled_call_is_counted_as_such():
    async def hang(_request):
        await asyncio.sleep(60)
        return httpx.Response(200)

    before = count("cancelled")
    task = asyncio.create_task(ask(hang))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert count("cancelled") == before + 1

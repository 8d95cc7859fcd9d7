"""Streamed answers, in whatever pieces they arrive: put together, cut when they stall, named when broken."""

import asyncio
import json
import re
from contextlib import asynccontextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.llm_asking import lineup

from llm_worker.prompt import Prompt
from llm_worker.providers.completion import Completion, Outcome
from llm_worker.providers.http import HttpProvider
from llm_worker.providers.port import Request, Timeouts
from llm_worker.providers.sse import EventReader, ServerSentEvent
from posta.http.kept_connections import KeptConnections

PROMPT = Prompt(system="Be brief.", user="<question>\nWhy?\n</question>")
ANTHROPIC = """
providers: {main: {api: anthropic, base_url: https://llm.example/v1}}
models: {main: {provider: main, name: claude}}
routes: [{name: all, choices: [{model: main}]}]
"""


def chunk(delta=None, *, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return f"data: {json.dumps({'id': 'c1', 'model': 'm', 'choices': choices, **more})}\n\n"


CHAT = [
    ": keep-alive\n\n",
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning": "hm"}),
    chunk({"content": "Be"}),
    chunk({"content": "cause ¿ñ?"}),
    chunk({}, finish="stop"),
    chunk(usage={"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}),
    "data: [DONE]\n\n",
]


def event(kind, **data):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"


MESSAGE = [
    event("message_start", message={"id": "m1", "model": "claude", "usage": {"input_tokens": 7}}),
    event("content_block_start", index=0),
    event("ping"),
    event("content_block_delta", delta={"type": "text_delta", "text": "Be"}),
    event("content_block_delta", delta={"type": "text_delta", "text": "cause."}),
    event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
    event("message_stop"),
]


async def asked(pieces, *, text="", limits=None, status=200, seen=None):
    async def body():
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                yield piece.encode()

    def handle(request):
        if seen is not None:
            seen.append(request)
        return httpx.Response(status, headers={"content-type": "text/event-stream"}, content=body())

    (model,) = lineup(text, base_url="https://llm.example/v1", api_key="sk", model="m").models.values()
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        request = Request(prompt=PROMPT, max_tokens=50, timeouts=limits or Timeouts(total_s=5))
        return (await HttpProvider(client, model).ask(request)).verdict


async def test_a_streamed_chat_completion_is_whole_with_its_usage():
    assert await asked(CHAT) == Completion(
        text="Because ¿ñ?", model="m", response_id="c1", tokens_in=9, tokens_out=4, tokens_cached=3
    )


async def test_a_streamed_message_of_anthropics_is_whole_with_its_usage():
    seen = []
    found = await asked(MESSAGE, text=ANTHROPIC, seen=seen)
    assert found == Completion(text="Because.", model="claude", response_id="m1", tokens_in=7, tokens_out=3)
    (request,) = seen
    assert str(request.url) == "https://llm.example/v1/messages"
    assert (request.headers["x-api-key"], request.headers["anthropic-version"]) == ("sk", "2023-06-01")
    assert json.loads(request.content) == {
        "model": "claude",
        "max_tokens": 50,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": PROMPT.user}],
        "stream": True,
    }


@pytest.mark.parametrize(
    ("pieces", "text", "outcome"),
    [
        pytest.param(CHAT[:4], "", Outcome.TRUNCATED, id="it just ends"),
        pytest.param(["data: [DONE]\n\n"], "", Outcome.NO_CHOICES, id="nothing but an end"),
        pytest.param(
            [CHAT[3], 'data: {"error":{"message":"no","type":"server_error"}}\n\n'], "",
            Outcome.SERVER_ERROR, id="an error in the middle",
        ),
        pytest.param(
            ['data: {"error":{"code":"rate_limit_exceeded"}}\n\n'], "", Outcome.THROTTLED,
            id="a refusal for want of room, inside a stream",
        ),
        pytest.param(
            [chunk({"refusal": "I cannot"}), chunk({}, finish="stop"), CHAT[-1]], "",
            Outcome.CONTENT_REFUSED, id="a refusal in words",
        ),
        pytest.param(
            [chunk({"tool_calls": [{}]}), chunk({}, finish="tool_calls"), CHAT[-1]], "",
            Outcome.TOOL_CALLS, id="a tool call",
        ),
        pytest.param(
            [event("error", error={"type": "overloaded_error"})], ANTHROPIC, Outcome.SERVER_ERROR,
            id="Anthropic is overloaded",
        ),
        pytest.param(
            [MESSAGE[0], event("message_delta", delta={"stop_reason": "refusal"}), MESSAGE[-1]], ANTHROPIC,
            Outcome.CONTENT_REFUSED, id="Anthropic refuses",
        ),
        pytest.param(["data: {not json\n\n", "data: [1]\n\n", "data: [DONE]\n\n"], "", Outcome.NO_CHOICES,
                     id="nonsense"),
    ],
)  # fmt: skip
async def test_a_stream_that_goes_wrong_has_a_name(pieces, text, outcome):
    assert (await asked(pieces, text=text)).outcome is outcome


async def test_a_generation_that_stalls_is_cut_early():
    limits = Timeouts(first_token_s=5, between_tokens_s=0.05, total_s=5)
    found = await asked([*CHAT[:4], 4.0, *CHAT[4:]], limits=limits)
    assert found.outcome is Outcome.TIMEOUT
    assert "stalled" in str(found.failure)


async def test_signs_of_life_are_no_words():
    limits = Timeouts(first_token_s=0.1, total_s=5)
    found = await asked([": still here\n\n", 0.06, ": still here\n\n", 0.06, *CHAT], limits=limits)
    assert "did not begin to answer" in str(found.failure)


async def test_an_answer_that_drips_for_ever_ends_with_the_whole_calls_time():
    limits = Timeouts(between_tokens_s=5, total_s=0.15)
    found = await asked([CHAT[3], 0.1] * 5, limits=limits)
    assert "did not answer in 0.15 s" in str(found.failure)


@pytest.mark.slow
@given(st.data())
def test_events_are_read_alike_however_the_bytes_are_cut(data):
    raw = "".join(CHAT).replace("\n\n", data.draw(st.sampled_from(["\n\n", "\r\n\r\n"]))).encode()
    reader, events = EventReader(), []
    while raw:
        size = data.draw(st.integers(1, 40))
        events += reader.feed(raw[:size])
        raw = raw[size:]
    assert events == [
        ServerSentEvent("", line.removeprefix("data: ").strip()) for line in CHAT if line.startswith("data")
    ]


class Streams:
    """A provider on a real connection: sends its pieces, and ends the stream or does not."""

    def __init__(self, pieces, *, ends=True):
        self.pieces, self.ends, self.connections = pieces, ends, 0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head.lower())
                await reader.readexactly(int(length[1]))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
                writer.write(b"transfer-encoding: chunked\r\n\r\n")
                for piece in self.pieces:
                    data = piece.encode()
                    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
                await writer.drain()
                await asyncio.sleep(0.01)  # what ends the stream comes alone
                if self.ends:
                    writer.write(b"0\r\n\r\n")
                else:
                    await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def provider(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        (model,) = lineup("", base_url=address, api_key="sk", model="m").models.values()
        try:
            async with KeptConnections(timeout_s=5, headers={}) as calls:
                yield HttpProvider(calls, model)
        finally:
            server.close()


def request(**limits):
    return Request(prompt=PROMPT, max_tokens=50, timeouts=Timeouts(total_s=5, **limits))


async def test_streamed_calls_one_after_the_other_share_a_connection():
    server = Streams(CHAT)
    async with server.provider() as provider:
        for _ in range(5):
            assert (await provider.ask(request())).verdict.text == "Because ¿ñ?"
    assert server.connections == 1


async def test_an_answer_that_is_whole_counts_though_its_stream_never_ends():
    server = Streams(CHAT, ends=False)
    async with server.provider() as provider:
        for _ in range(2):
            async with asyncio.timeout(2):
                assert (await provider.ask(request())).verdict.text == "Because ¿ñ?"
    assert server.connections == 2


async def test_a_stream_that_never_stops_telling_is_cut_at_two_mebibytes():
    told = 0

    async def body():
        nonlocal told
        while True:
            piece = chunk({"content": "x" * 60_000}).encode()
            told += len(piece)
            yield piece

    def handle(_request):
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body())

    (model,) = lineup("", base_url="https://llm.example/v1", api_key="sk", model="m").models.values()
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        verdict = (await HttpProvider(client, model).ask(request())).verdict
    assert verdict.outcome is Outcome.TRUNCATED
    assert told < 2.2 * 2**20


async def test_a_stalled_call_on_a_kept_connection_is_cut_and_the_next_one_has_another():
    server = Streams(CHAT)
    async with server.provider() as provider:
        assert isinstance((await provider.ask(request())).verdict, Completion)
        server.pieces, server.ends = CHAT[:3], False
        stalled = (await provider.ask(request(between_tokens_s=0.05))).verdict
        assert stalled.outcome is Outcome.TIMEOUT
        assert "stalled" in str(stalled.failure)
        server.pieces, server.ends = CHAT, True
        assert isinstance((await provider.ask(request())).verdict, Completion)
    assert server.connections == 2


async def test_a_call_that_is_cancelled_gives_its_connection_up():
    server = Streams(CHAT[:3], ends=False)
    async with server.provider() as provider:
        for turns in range(0, 60, 5):
            one = asyncio.create_task(provider.ask(request()))
            for _ in range(turns):
                await asyncio.sleep(0)
            one.cancel()
            with pytest.raises(asyncio.CancelledError):
                await one
        server.pieces, server.ends = CHAT, True
        async with asyncio.timeout(2):
            assert isinstance((await provider.ask(request())).verdict, Completion)

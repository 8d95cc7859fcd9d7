"""Interactions go past the framework, and nobody can tell by the answers."""

import asyncio
import contextlib
import json
from functools import partial

import httpx
import pytest
from prometheus_client import REGISTRY
from support.discord_caller import ask
from support.ingress_rig import MAX_BODY

from ingress.interactions.lane import InteractionsLane
from ingress.interactions.reception import Reception
from posta.domain.envelope import header
from posta.http.server import serving
from posta.settings import HttpSettings

pytestmark = pytest.mark.slow

PATH = "/discord-interactions"


@contextlib.asynccontextmanager
async def listening(rig):
    lane = partial(InteractionsLane, Reception(rig.interactions))
    async with serving(rig.app, HttpSettings(host="127.0.0.1", port=0), connection=lane) as port:
        yield port


def raw(rig, body=None, *more, method="POST", path=PATH):
    content = json.dumps(body or ask()).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: ingress", f"content-length: {len(content)}", *more]
    lines += [f"{name}: {value}" for name, value in rig.caller.sign(content).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


async def answer_on(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:-2])
    return int(head.split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


@contextlib.asynccontextmanager
async def connected(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.close()


async def test_a_question_is_answered_after_it_is_kept_and_the_framework_is_not_asked(rig, monkeypatch):
    async def framework(*_args):
        raise AssertionError("the framework was asked")

    monkeypatch.setattr(rig.interactions, "receive", framework)
    async with listening(rig) as port, connected(port) as (reader, writer):
        writer.write(raw(rig))
        status, headers, body = await answer_on(reader)
    assert (status, json.loads(body)["type"], headers["content-type"]) == (200, 5, "application/json")
    assert "date" in headers
    assert len(rig.publisher.ids) == 1


async def test_it_may_come_in_pieces_and_several_at_once_and_is_answered_in_order(rig):
    first, second = raw(rig, ask("one")), raw(rig, ask("two"))
    async with listening(rig) as port, connected(port) as (reader, writer):
        for start in range(0, len(first), 100):
            writer.write(first[start : start + 100])
            await asyncio.sleep(0.001)
        assert (await answer_on(reader))[0] == 200
        writer.write(second + raw(rig, ask("three")) + raw(rig, {"type": 1}))
        kinds = [json.loads((await answer_on(reader))[2])["type"] for _ in range(3)]
    assert kinds == [5, 5, 1]
    assert len(rig.publisher.ids) == 3


async def test_other_requests_share_the_connection(rig):
    async with listening(rig) as port, connected(port) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
            assert json.loads((await answer_on(reader))[2]) == {"status": "ok"}
            writer.write(raw(rig))
            assert json.loads((await answer_on(reader))[2])["type"] == 5
        writer.write(b"GET /health/live HTTP/1.1\r\n")
        await asyncio.sleep(0.02)
        writer.write(b"host: a\r\n\r\n" + raw(rig))
        answers = [json.loads((await answer_on(reader))[2]) for _ in range(2)]
    assert answers[0] == {"status": "ok"}
    assert answers[1]["type"] == 5


async def test_a_chunked_interaction_takes_the_long_way_and_is_answered_alike(rig):
    content = json.dumps(ask()).encode()

    async def pieces():
        yield content[:50]
        yield content[50:]

    async with listening(rig) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        response = await http.post(PATH, content=pieces(), headers=rig.caller.sign(content))
    assert response.json()["type"] == 5


async def assert_alike(rig, *contents, **headers):
    """By the lane as by the framework: the same status, type and text."""
    async with listening(rig) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        for content in contents:
            given = rig.caller.sign(content) | headers
            by_lane = await http.post(PATH, content=content, headers=given)
            by_framework = await rig.http.post(PATH, content=content, headers=given)
            told = [
                (one.status_code, one.headers["content-type"], {**one.json(), "trace_id": None})
                for one in (by_lane, by_framework)
            ]
            assert told[0] == told[1]
            assert by_lane.status_code >= 400
            assert (await http.get("/health/live")).status_code == 200


async def test_a_refusal_is_the_same_by_either_way(rig):
    await assert_alike(rig, b"[]", b"{", b'{"type":2}', b"x" * (MAX_BODY + 1))


async def test_a_bad_signature_and_a_defect_are_told_the_same_by_either_way(rig, monkeypatch):
    await assert_alike(rig, b"{}", **{"x-signature-ed25519": "0" * 128})
    monkeypatch.setattr(rig.interactions, "_answer", None)
    await assert_alike(rig, b"{}")


async def test_what_is_under_way_at_the_end_is_answered_before_the_connection_closes(rig):
    rig.publisher.delay_s = 0.15
    async with contextlib.AsyncExitStack() as server:
        port = await server.enter_async_context(listening(rig))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw(rig))
        await asyncio.sleep(0.05)
        ending = asyncio.create_task(server.pop_all().aclose())
        status, headers, _ = await answer_on(reader)
        assert (status, headers["connection"]) == (200, "close")
        assert await reader.read() == b""
        await ending
        writer.close()


async def test_somebody_who_hangs_up_early_has_asked_all_the_same(rig):
    rig.publisher.delay_s = 0.05
    async with listening(rig) as port:
        async with connected(port) as (_, writer):
            writer.write(raw(rig))
            await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            while not rig.publisher.ids:  # noqa: ASYNC110 - the fake has no event for this
                await asyncio.sleep(0.01)


async def test_it_is_counted_and_its_trace_goes_on(rig):
    def counted():
        labels = {"route": PATH, "method": "POST", "code": "200"}
        return REGISTRY.get_sample_value("posta_http_requests_total", labels) or 0.0

    before = counted()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with listening(rig) as port, connected(port) as (reader, writer):
        writer.write(raw(rig, None, f"traceparent: 00-{trace}-00f067aa0ba902b7-00"))
        await answer_on(reader)
        writer.write(raw(rig))
        await answer_on(reader)
    assert counted() == before + 2
    carried = [header(wire.headers, "traceparent") for _, wire in rig.publisher.written]
    assert trace in carried[0]
    assert carried[1]
    assert trace not in carried[1]
    assert rig.notes.taken[1].trace_id in carried[1]

"""F14: records that nobody should have written become dead letters as they were; the others are handled."""

import pytest
from support.engine_rig import event, number_of, result_of, rig, running

from posta.domain.envelope import Wire, encode, header

pytestmark = pytest.mark.integration
GOOD = encode(event(1)).headers


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(Wire(key=None, value=b"{}", headers=()), id="no key, no headers"),
        pytest.param(
            Wire(key=b"k", value=b"{}", headers=tuple((f"x-{n}", b"y" * 100) for n in range(2_000))),
            id="2 000 headers",
        ),
        pytest.param(
            Wire(key=b"k", value=b"{}", headers=(("ce_type", b"\xff\xfe"), ("ce_id", b"\x00" * 9))),
            id="header values that are no text",
        ),
        pytest.param(Wire(key=b"k", value=b"{}", headers=(*GOOD, *GOOD)), id="every header twice"),
        pytest.param(Wire(key=b"k", value=b"[" * 100_000, headers=GOOD), id="JSON nested beyond any depth"),
        pytest.param(Wire(key=b"k", value=b'{"data": "\xc3\x28"}', headers=GOOD), id="invalid UTF-8"),
        pytest.param(Wire(key=b"", value=b"", headers=()), id="everything empty"),
    ],
)
async def test_poison_is_a_dead_letter_with_its_bytes_and_stops_nobody(kafka, topic_prefix, wire):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        handled = []

        async def handler(message):
            handled.append(number_of(message))
            return [result_of(message)]

        await world.feed(event(1))
        await world.send(wire)
        await world.feed(event(2))
        async with running(world.engine(handler)):
            assert len(await world.read("results", count=2)) == 2
            (dead,) = await world.read("workers.dlq", count=1)
        assert handled == [1, 2]
        assert (dead.key, dead.value) == (wire.key, wire.value)
        assert list(dead.headers)[: len(wire.headers)] == list(wire.headers)
        assert header(dead.headers, "posta-error-class") == "permanent"
        assert await world.committed() == 3

"""Which way events go."""

import asyncio

import pytest

from ingress.switch import Switch, Way


def at(way):
    switch = Switch()
    if way is Way.DIRECT:
        switch.to_direct()
    if way is Way.HANDOVER:
        switch.to_handover()
    assert switch.way is way
    return switch


@pytest.mark.parametrize(
    ("start", "step", "end"),
    [
        (Way.DIRECT, Switch.to_spool, Way.SPOOL),
        (Way.DIRECT, Switch.to_handover, Way.DIRECT),
        (Way.DIRECT, Switch.to_direct, Way.DIRECT),
        (Way.SPOOL, Switch.to_spool, Way.SPOOL),
        (Way.SPOOL, Switch.to_handover, Way.HANDOVER),
        (Way.SPOOL, Switch.to_direct, Way.DIRECT),
        (Way.HANDOVER, Switch.to_spool, Way.SPOOL),
        (Way.HANDOVER, Switch.to_handover, Way.HANDOVER),
        (Way.HANDOVER, Switch.to_direct, Way.DIRECT),
    ],
)
async def test_every_transition(start, step, end):
    switch = at(start)
    step(switch)
    assert switch.way is end
    assert await switch.left_direct(timeout_s=0) is (end is not Way.DIRECT)


async def test_kafka_counts_as_away_at_first():
    assert Switch().way is Way.SPOOL


@pytest.mark.parametrize("step", [Switch.to_direct, Switch.to_spool])
async def test_a_handover_is_waited_for(step):
    switch = at(Way.HANDOVER)
    waiting = asyncio.ensure_future(switch.settled(timeout_s=5))
    await asyncio.sleep(0)
    assert not waiting.done()
    step(switch)
    assert await waiting is switch.way


async def test_a_handover_that_takes_too_long_is_broken_off_for_all():
    switch = at(Way.HANDOVER)
    assert await switch.settled(timeout_s=0.01) is Way.SPOOL
    assert switch.way is Way.SPOOL

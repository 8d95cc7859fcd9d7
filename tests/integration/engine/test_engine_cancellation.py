"""The engine's end meets a handler that is still cleaning up after its partition's end."""

import asyncio

import pytest
from support.engine_rig import event, rig, running

from posta.engine.policy import EnginePolicy

pytestmark = pytest.mark.integration


async def test_a_handler_that_cleans_up_slowly_does_not_keep_the_engine_from_ending(kafka, topic_prefix):
    begun, cleaned = asyncio.Event(), asyncio.Event()

    async def clean_up():
        await asyncio.sleep(1)
        cleaned.set()

    async def handler(_message):
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.shield(clean_up())
            raise

    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        async with running(world.engine(handler, policy=EnginePolicy(drain_s=0.1))):
            await world.feed(event(1))
            await asyncio.wait_for(begun.wait(), 15)
        assert await world.committed() == 0, "what was handed back is not committed"
    await asyncio.wait_for(cleaned.wait(), 5)

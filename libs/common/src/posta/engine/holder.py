"""Asks the coordinator which process the group knows by an instance id."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest

from posta.engine.assignor import Process, process_of
from posta.tasks import within
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_AGAIN_S = 0.3
_IN_A_ROUND = frozenset({"PreparingRebalance", "CompletingRebalance"})
"""Kafka does not tell of members' metadata before the round is over."""


async def holder_of(instance_id: str, consumer: AIOKafkaConsumer, *, within_s: float) -> Process | None:
    """Who has ``instance_id`` now; None: nobody, or it could not be told ``within_s`` seconds.

    ``consumer`` is started and need not be a member. Nothing public of it asks on its connections.
    """
    try:
        return await within(within_s, _asked(instance_id, consumer))
    except TimeoutError:
        # To join is right then, too: whoever is replaced by that asks in its turn.
        log.warning("instance_id_holder_unknown", instance_id=instance_id, waited_s=within_s)
        return None


async def _asked(instance_id: str, consumer: AIOKafkaConsumer) -> Process | None:
    coordinator = consumer._coordinator  # noqa: SLF001
    while True:
        try:
            await coordinator.ensure_coordinator_known()
            request = DescribeGroupsRequest([coordinator.group_id])
            response = await coordinator._client.send(coordinator.coordinator_id, request)  # noqa: SLF001
            return _found(instance_id, response.groups[0])
        except (KafkaError, _NotToldYet):
            await asyncio.sleep(_AGAIN_S)


def _found(instance_id: str, group: Any) -> Process | None:
    error, _name, state, _type, _protocol, members = group
    if error:
        raise for_code(error)
    if state in _IN_A_ROUND:
        raise _NotToldYet
    processes = (process_of(metadata) for _id, _client, _host, metadata, _assignment in members)
    return next((one for one in processes if one is not None and one.instance_id == instance_id), None)


class _NotToldYet(Exception):
    """The group is in a round."""

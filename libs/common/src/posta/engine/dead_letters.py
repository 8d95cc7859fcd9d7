"""Writes a dead letter: whole if Kafka takes it, else as much of it as Kafka takes."""

from posta.domain.envelope import Wire
from posta.domain.truncation import shortened
from posta.engine.outlet import Outlet
from posta.engine.partition import Partition
from posta.kafka.producer import TooLarge
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


async def write_dead_letter(outlet: Outlet, topic: str, wire: Wire, partition: Partition) -> None:
    """Write ``wire`` to ``topic``, truncated if need be (see ``posta.domain.truncation``).

    Raises ``Abandoned`` when the partition closes first, ``TooLarge`` when Kafka takes nothing of it.
    """
    try:
        await outlet.record(topic, wire, partition)
    except TooLarge as exc:
        await _write_shortened(outlet, topic, wire, partition, exc)


async def _write_shortened(
    outlet: Outlet, topic: str, wire: Wire, partition: Partition, error: TooLarge
) -> None:
    for shorter in shortened(wire):
        try:
            await outlet.record(topic, shorter, partition)
        except TooLarge as exc:
            error = exc
            continue
        names.DEAD_LETTERS_TRUNCATED.labels(topic).inc()
        size, kept = len(wire.value or b""), len(shorter.value or b"")
        log.warning("dead_letter_truncated", topic=topic, size=size, kept=kept)
        return
    raise error

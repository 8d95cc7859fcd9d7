"""Indexes one dead letter; a repetition of the same record changes nothing."""

from dlq_admin.dead_letter import Bytes
from dlq_admin.reading import read_record
from dlq_admin.store import Store
from posta.engine.message import RawRecord
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


class Indexer:
    """The engine's handler: raw records in, nothing to publish."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, record: RawRecord) -> None:
        """Index ``record``. Raises ``Unavailable`` when the database is away; there is no other failure."""
        reading = read_record(record)
        kept = Bytes(key=record.key, value=record.value, headers=record.headers)
        is_new = await self._store.add(reading, kept)
        log.info(
            "dead_letter_indexed",
            new=is_new,
            failed_group=reading.group,
            error_class=reading.error_class,
            fingerprint=reading.fingerprint,
            redrive=reading.redrive,
        )

"""Publishes claimed dead letters, and releases of keys, to their groups' lanes and notes that each is done.

claimed ─▶ leased ─▶ published (acks=all) ─▶ replayed
             │            ├─ Kafka does not confirm: stays claimed, taken up when the lease is over
             │            └─ can never be published: open again, with the reason
             └─ we crash: the same, by whoever runs then
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

from opentelemetry.trace import SpanKind

from dlq_admin.dead_letter import Action, Bytes
from dlq_admin.originals import Found, Originals
from dlq_admin.replay import NotReplayable, is_a_question, release_wire, replay_topic, replay_wire, why_not
from dlq_admin.settings import ReplaySettings
from dlq_admin.store import Claimed, Store
from posta.domain.envelope import Wire, header
from posta.domain.truncation import KEPT_KEY_BYTES
from posta.errors import Permanent, Transient, Unavailable
from posta.tasks import within
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import context_of, span, traceparent_of

log = get_logger(__name__)
_LOOK_S = 1.0
"""How often leases that are over are looked for."""

_KEY_IS_LOST = (
    "the dead letter holds a part of its key only, and Kafka does not keep the original any more: "
    "start the group once with OnDeadLetter.GO_ON, which releases every key"
)

PublishOne = Callable[[str, Wire, int], Awaitable[None]]
"""Writes a record to a partition of a topic, or where its key says if there is no such partition.

Returns when Kafka has confirmed it, raises ``Transient`` or ``Permanent``.
"""


class Redrive:
    """The one place that publishes replays: at once for one, paced for many."""

    def __init__(
        self, store: Store, publish: PublishOne, settings: ReplaySettings, originals: Originals
    ) -> None:
        self._store = store
        self._originals = originals
        self._publish = publish
        self._settings = settings
        self._wake = asyncio.Event()

    async def now(self, dead_letter_id: int) -> None:
        """Publish one that was just claimed. When Kafka does not confirm it, it stays claimed.

        Raises ``Unavailable`` when the database is away.
        """
        for claimed in await self._store.lease(
            ids=(dead_letter_id,), limit=1, lease_s=self._settings.lease_s
        ):
            await self._one(claimed)

    def soon(self) -> None:
        """Have those claimed without a lease published in the background, at the set rate."""
        self._wake.set()

    async def run(self) -> None:
        """Publish whatever is claimed and not leased, for ever."""
        while True:
            try:
                found = await self._round()
            except Unavailable as exc:
                log.warning("redrive_waits", reason=str(exc))
                found = False
            if not found:
                self._wake.clear()
                await self._rest()

    async def _round(self) -> bool:
        """Publish one that is due; False when there is none."""
        # One at a time: a lease runs from when its record is about to be published.
        due = await self._store.lease(ids=None, limit=1, lease_s=self._settings.lease_s)
        for claimed in due:
            await self._one(claimed)
            await asyncio.sleep(1 / self._settings.rate_per_s)
        held = await self._store.lease_releases(limit=1, lease_s=self._settings.lease_s)
        for claimed in held:
            await self._release(claimed)
        return bool(due or held)

    async def _release(self, claimed: Claimed) -> None:
        """Tell the group that the key goes on; until Kafka has it, it is told again."""
        try:
            key = await self._whole_key(claimed)
            wire = release_wire(claimed.reading, replace(claimed.record, key=key))
            await self._publish(replay_topic(claimed.reading.group), wire, claimed.reading.original_partition)
        except Permanent as exc:
            await self._store.released(claimed.id, outcome=f"refused: {str(exc)[:500]}")
            outcome = "refused"
        except Transient as exc:
            log.warning("release_unconfirmed", dead_letter=claimed.id, reason=str(exc))
            outcome = "unconfirmed"
        else:
            await self._store.released(claimed.id, outcome="released")
            outcome = "released"
        names.DLQ_ACTIONS.labels(Action.RELEASE.value, outcome).inc()
        log.info("dead_letter_release_ended", dead_letter=claimed.id, outcome=outcome)

    async def _whole_key(self, claimed: Claimed) -> bytes | None:
        """The key that is held. Raises ``NotReplayable`` or ``Transient`` where only a part is known."""
        record = claimed.record
        if not record.is_truncated or len(record.key or b"") < KEPT_KEY_BYTES:
            return record.key
        whole = await self._originals.look(claimed.reading, record)
        if whole.record is not None:
            return whole.record.key
        if whole.found is Found.UNKNOWN:
            raise Transient("Kafka does not say whether it still has the original, whose key is longer")
        raise NotReplayable(_KEY_IS_LOST)

    async def _whole(self, claimed: Claimed) -> Bytes | None:
        """The original of a truncated one; None for any other. Raises ``NotReplayable`` or ``Transient``."""
        if not claimed.record.is_truncated:
            return None
        whole = await self._originals.look(claimed.reading, claimed.record)
        if why := why_not(whole.found):
            raise NotReplayable(why)
        if whole.record is None:
            raise Transient("Kafka does not say whether it still has the original")
        return whole.record

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            await within(_LOOK_S, self._wake.wait())

    async def _one(self, claimed: Claimed) -> None:
        try:
            topic = replay_topic(claimed.reading.group)
            whole = await self._whole(claimed)
            with span(
                f"replay {topic}",
                kind=SpanKind.PRODUCER,
                parent=context_of(claimed.record.headers),
                attributes={
                    "messaging.system": "kafka",
                    "messaging.operation.type": "send",
                    "messaging.destination.name": topic,
                    "posta.redrive": claimed.reading.redrive + 1,
                },
                follows=header(claimed.record.headers, "posta-previous-span"),
            ) as replaying:
                wire = replay_wire(
                    claimed.reading,
                    claimed.record,
                    whole=whole,
                    replayed_by=traceparent_of(replaying),
                    scratch=_scratch(claimed),
                )
                await self._publish(topic, wire, claimed.reading.original_partition)
        except Permanent as exc:
            await self._store.reopen(claimed.id, why=str(exc)[:500])
            outcome = "refused"
        except Transient as exc:
            log.warning("replay_unconfirmed", dead_letter=claimed.id, reason=str(exc))
            outcome = "unconfirmed"
        else:
            await self._store.finish(claimed.id)
            outcome = "replayed"
        names.DLQ_ACTIONS.labels(Action.REPLAY.value, outcome).inc()
        log.info("dead_letter_replay_ended", dead_letter=claimed.id, outcome=outcome)


def _scratch(claimed: Claimed) -> str | None:
    """The wish's name: the same when this very replay is published again, so that it is paid for once."""
    if not claimed.from_scratch or not is_a_question(claimed.reading.group):
        return None
    return f"dead letter {claimed.id}, replay {claimed.reading.redrive + 1}"

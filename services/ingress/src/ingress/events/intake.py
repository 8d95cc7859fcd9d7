"""Takes what was published, whoever brought it: checks it as a whole, keeps each event safe, notes it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ingress.acceptor import Acceptor
from ingress.events.addresses import AddressBook
from ingress.events.cloudevent import Published
from ingress.events.journal import Journal
from ingress.events.publication import (
    BadIdempotencyKey,
    NotPermitted,
    UnknownDestination,
    WrongTime,
    asked_for,
    compose,
)
from posta.auth import Principal
from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.errors import Permanent, Transient, Unavailable
from posta.http.problem import Problem, invalid
from posta.postgres.published_events import noted_of
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import current_trace_id
from posta.topics import EVENTS_PUBLISHED

log = get_logger(__name__)
KIND = "event"
_RETRY_AFTER_S = 5


class Intake:
    """The one way in for published events."""

    def __init__(
        self,
        acceptor: Acceptor,
        book: AddressBook,
        journal: Journal,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._acceptor = acceptor
        self._book = book
        self._journal = journal
        self._clock = clock

    async def compose(
        self,
        published: Sequence[Published],
        *,
        publisher: Principal,
        idempotency_key: str | None,
        is_batch: bool,
    ) -> list[Event[EventPublished]]:
        """The events as Posta keeps them: all of them, or ``Problem`` 403, 422 or 503."""
        wanted = {asked_for(event, publisher) for event in published}
        try:
            await self._book.look_for(name for name in wanted if name is not None and not name.endswith("*"))
        except Unavailable as exc:
            # A refusal for good would lose what a script says to a destination of a moment ago.
            raise _later("It cannot be told at the moment whether there is such a destination") from exc
        return [
            self._one(event, publisher, idempotency_key, number if is_batch else None)
            for number, event in enumerate(published)
        ]

    async def keep(self, events: Sequence[Event[EventPublished]]) -> None:
        """Keep them safe, in order. Raises ``Problem`` 413 or 503; those before the fault are safe then."""
        for event in events:
            await self._keep(event)
            self._journal.note(noted_of(event, trace_id=current_trace_id()))

    def _one(
        self, event: Published, publisher: Principal, idempotency_key: str | None, number: int | None
    ) -> Event[EventPublished]:
        place = () if number is None else (number,)
        try:
            return compose(
                event,
                publisher=publisher,
                idempotency_key=idempotency_key,
                addresses=self._book.addresses,
                now=self._clock(),
                number=number,
            )
        except UnknownDestination as exc:
            raise invalid([{"loc": (*place, "destination"), "msg": str(exc)}]) from None
        except WrongTime as exc:
            raise invalid([{"loc": (*place, exc.field), "msg": str(exc)}]) from None
        except BadIdempotencyKey as exc:
            raise invalid([{"loc": ("Idempotency-Key",), "msg": str(exc)}]) from None
        except NotPermitted as exc:
            raise Problem(403, "The API key may not publish this", str(exc)) from None

    async def _keep(self, event: Event[EventPublished]) -> None:
        try:
            await self._acceptor.accept(KIND, EVENTS_PUBLISHED, event)
        except Transient as exc:
            log.error("event_not_accepted", event_id=event.id, reason=str(exc))
            raise _later("The event cannot be kept safe at the moment") from exc
        except Permanent as exc:
            raise Problem(413, "The event is too large", "Send less data.") from exc


def _later(title: str) -> Problem:
    advice = f"Send it again in {_RETRY_AFTER_S} seconds, with the same id or Idempotency-Key."
    return Problem(503, title, advice, headers={"retry-after": str(_RETRY_AFTER_S)})

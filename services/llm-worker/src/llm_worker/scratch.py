"""An admin's wish to have a question answered anew: a header that the replay puts on the record.

Its value names the replay, so that a redelivery of that very replay finds its answer and pays nothing.
"""

from dataclasses import dataclass

from posta.domain.envelope import header
from posta.domain.failure import FROM_SCRATCH, Delivery
from posta.domain.payloads import Payload
from posta.engine.message import D_co, Message, RawRecord, as_message

HEADER = FROM_SCRATCH
_MOST_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionMessage(Message[D_co]):
    """A message with what its record's headers say beside the event."""

    scratch: str | None = None
    """The replay that wants it answered anew; None: a stored answer will do."""


def as_question(record: RawRecord, delivery: Delivery, last_attempt: bool) -> QuestionMessage[Payload]:  # noqa: FBT001 - the form of Interpret
    """Decode the record's event. Raises ``Malformed`` when it is none."""
    plain = as_message(record, delivery, last_attempt)
    wish = (header(record.headers, HEADER) or "")[:_MOST_CHARS]
    return QuestionMessage(
        event=plain.event,
        delivery=plain.delivery,
        deadline=plain.deadline,
        last_attempt=plain.last_attempt,
        scratch=wish or None,
    )

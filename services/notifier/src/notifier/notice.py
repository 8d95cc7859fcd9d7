"""Tells the owner of a destination, through another one, that nothing is sent there any more.

Pure. The notice is a published event like any other, drawn by the template of its type.
"""

from datetime import datetime

from posta.domain.envelope import Event
from posta.domain.ids import derived_id
from posta.domain.payloads import EventPublished

TYPE = "posta.destination.disabled"
SOURCE = "/notifier"


def disabled_notice(
    cause_id: str, destination_id: str, *, owner: str, why: str, at: datetime
) -> Event[EventPublished]:
    """The notice for ``owner``; ``cause_id`` is the event that found the destination gone."""
    return Event(
        id=derived_id(cause_id, "disabled"),
        source=SOURCE,
        time=at,
        key=owner,
        data=EventPublished(
            destination=owner,
            publisher="posta",
            client_id=derived_id(cause_id, "disabled"),
            client_type=TYPE,
            client_source=SOURCE,
            subject=destination_id,
            occurred_at=at.isoformat(),
            data={
                "severity": "critical",
                "title": f"Destination {destination_id} is disabled",
                "destination": destination_id,
                "why": why,
                "command": f"posta destinations enable {destination_id}",
            },
            routed=True,
        ),
    )

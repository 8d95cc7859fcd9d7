"""Event ids that the same cause always makes again, so that a repeated delivery can be recognised.

Rule: an id is built from what identifies the cause outside Posta; a derived event's id is its
parent's id and the name of the step that derived it.
"""

import hashlib


def interaction_event_id(interaction_id: str) -> str:
    """The id of the event that a Discord interaction becomes."""
    return f"discord:{interaction_id}"


def email_event_id(*, account: str, mailbox: str, uidvalidity: int, uid: int) -> str:
    """The id of the event that a mail becomes.

    A message is identified for ever by mailbox, UIDVALIDITY and UID (RFC 9051 §2.3.1.1).
    """
    box = hashlib.sha256(f"{account}\n{mailbox}".encode()).hexdigest()[:12]
    return f"email:{box}:{uidvalidity}:{uid}"


def published_event_id(*, publisher: str, key: str) -> str:
    """The id of a published event: its publisher and that publisher's own key for it."""
    return "event:" + hashlib.sha256(f"{publisher}\n{key}".encode()).hexdigest()[:32]


def derived_id(parent_id: str, step: str) -> str:
    """The id of the event that ``step`` derives from the event ``parent_id``."""
    return f"{parent_id}/{step}"


def reference_number(event_id: str) -> str:
    """A short reference a person can quote to an operator, such as ``7F3A-91C2``."""
    digest = hashlib.sha256(event_id.encode()).hexdigest()[:8].upper()
    return f"{digest[:4]}-{digest[4:]}"


def conversation_key(*, medium: str, place: str, person: str) -> str:
    """The Kafka key that keeps one person's messages in one place in order."""
    return f"{medium}:{place}:{person}"

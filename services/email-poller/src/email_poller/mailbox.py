"""What the poller asks of a mailbox, whoever keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from posta.errors import Transient, Unavailable

DEPENDENCY = "imap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The mailbox as the server has just opened it."""

    uidvalidity: int
    """While it stays the same, a UID never means another message."""
    uidnext: int
    """Every message that arrives later has this UID or a higher one (RFC 9051 §2.3.1.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Which messages to look for."""

    above_uid: int
    unseen: bool = False
    since: date | None = None
    """Only what the server received on this day or later."""


class Refused(Unavailable):
    """The server will not let us in until a person changes something; trying often makes it worse."""

    def __init__(self, reason: str) -> None:
        super().__init__(DEPENDENCY, reason)


class MessageRefused(Transient):
    """The server answers, but will not hand over this one message."""


class Mailbox(Protocol):
    """One mailbox; ``select`` comes first.

    Every call may raise ``Unavailable`` or ``Refused``; both close the connection.
    """

    async def select(self) -> Selected:
        """Open the mailbox afresh, so that what has arrived meanwhile is visible; connects if need be."""
        ...

    async def search(self, criteria: Criteria) -> list[int]:
        """The UIDs that match, ascending."""
        ...

    async def sizes(self, uids: Sequence[int]) -> Mapping[int, int]:
        """Size in bytes by UID; a message that is gone is left out."""
        ...

    async def fetch(self, uid: int) -> bytes | None:
        """The whole message, leaving the Seen flag as it is; None when it is gone.

        Raises ``MessageRefused`` when only this message cannot be had.
        """
        ...

    async def mark_seen(self, uids: Sequence[int]) -> None:
        """Set the Seen flag; doing it again changes nothing.

        Raises ``MessageRefused`` when it may not be set.
        """
        ...

"""A mailbox in memory that behaves as a server's, and fails when told to; for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from email_poller.mailbox import Criteria, Selected


@dataclass(slots=True)
class FakeMessage:
    """One message as the server keeps it."""

    raw: bytes
    seen: bool = False
    received: date = field(default_factory=lambda: datetime.now(UTC).date())


class FakeMailbox:
    """Implements ``Mailbox``; ``failures`` are raised one by one, by the command's name."""

    def __init__(self, uidvalidity: int = 1) -> None:
        self.uidvalidity = uidvalidity
        self.messages: dict[int, FakeMessage] = {}
        self.failures: dict[str, list[Exception]] = {}
        self.fetched: list[int] = []
        self._next = 1

    def deliver(self, raw: bytes, *, seen: bool = False, received: date | None = None) -> int:
        """A mail arrives; returns its UID."""
        message = FakeMessage(raw=raw, seen=seen)
        if received is not None:
            message.received = received
        uid, self._next = self._next, self._next + 1
        self.messages[uid] = message
        return uid

    def remove(self, uid: int) -> None:
        """Another client deletes a message."""
        del self.messages[uid]

    def renumber(self, uidvalidity: int, *, first_uid: int = 1) -> None:
        """The server loses its numbering: same messages, new UIDs."""
        kept = list(self.messages.values())
        self.uidvalidity = uidvalidity
        self.messages = dict(enumerate(kept, start=first_uid))
        self._next = first_uid + len(kept)

    async def select(self) -> Selected:
        """See ``Mailbox``."""
        self._fail("select")
        return Selected(uidvalidity=self.uidvalidity, uidnext=self._next)

    async def search(self, criteria: Criteria) -> list[int]:
        """See ``Mailbox``."""
        self._fail("search")
        return sorted(
            uid
            for uid, message in self.messages.items()
            if uid > criteria.above_uid
            and not (criteria.unseen and message.seen)
            and (criteria.since is None or message.received >= criteria.since)
        )

    async def sizes(self, uids: Sequence[int]) -> Mapping[int, int]:
        """See ``Mailbox``."""
        self._fail("sizes")
        return {uid: len(self.messages[uid].raw) for uid in uids if uid in self.messages}

    async def fetch(self, uid: int) -> bytes | None:
        """See ``Mailbox``."""
        self._fail("fetch")
        self.fetched.append(uid)
        message = self.messages.get(uid)
        return message.raw if message else None

    async def mark_seen(self, uids: Sequence[int]) -> None:
        """See ``Mailbox``."""
        self._fail("mark_seen")
        for uid in uids:
            if uid in self.messages:
                self.messages[uid].seen = True

    def _fail(self, command: str) -> None:
        if waiting := self.failures.get(command):
            raise waiting.pop(0)

"""What PostgreSQL remembers of a mailbox: how far it has been read, and every message taken.

    (new UID) --take--> pending --confirmed by Kafka--> published
                   or --> ignored

Rule: a message and the cursor are written in one transaction, under the mailbox's row lock, and
(account, mailbox, UIDVALIDITY, UID) is unique: however many pollers crash, a message is taken once.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from email_poller import statements
from email_poller.decision import Decision, Facts, Ignore, MailId, Take
from email_poller.ignored import Ignored
from posta.domain.ids import email_event_id
from posta.postgres.pool import Connection, Database


class CatchUp(StrEnum):
    """How messages up to the cursor's floor are chosen."""

    UNSEEN = "unseen"
    """First contact: only what nobody has read yet."""
    RESCAN = "rescan"
    """The server has renumbered the mailbox: recent ones, unless they were taken under their old UID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far the mailbox has been read."""

    uidvalidity: int
    last_uid: int
    """Every message up to this UID has been decided."""
    floor_uid: int
    """The newest UID when this numbering was first met."""
    catch_up: CatchUp | None
    """Set until the messages up to the floor are decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFacts:
    """What identifies a mail's content and sender, for the questions asked about them."""

    message_id: str | None
    content_hash: str
    sender: str | None
    """The address; only its hash is stored."""
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An event that Kafka has not confirmed yet."""

    uidvalidity: int
    uid: int
    event_id: str
    key: str
    value: bytes
    traceparent: str | None
    taken_at: datetime


class MailboxStore:
    """The rows of one mailbox. Every method raises ``Unavailable`` when the database is away."""

    def __init__(self, database: Database, *, account: str, mailbox: str) -> None:
        self._database = database
        self._box = (account, mailbox)

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[bool]:
        """Whether the mailbox is ours for the block; False while another poller works on it.

        An advisory lock of the session: it ends with the connection, so a crash frees it.
        """
        async with self._database.connection() as connection:
            # A poller whose machine has vanished must not keep the mailbox for hours.
            await connection.execute(statements.NOTICE_DEAD_PEERS)
            mine = bool(await connection.fetchval(statements.LOCK, _lock_key(*self._box)))
            try:
                yield mine
            finally:
                if mine and not connection.is_closed():
                    await connection.fetchval(statements.UNLOCK, _lock_key(*self._box))

    async def cursor(self) -> Cursor | None:
        """How far the mailbox has been read; None before first contact."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(statements.CURSOR, *self._box)
        if row is None:
            return None
        return Cursor(
            uidvalidity=row["uidvalidity"],
            last_uid=row["last_uid"],
            floor_uid=row["floor_uid"],
            catch_up=CatchUp(row["catch_up"]) if row["catch_up"] else None,
        )

    async def begin(self, *, uidvalidity: int, floor_uid: int, catch_up: CatchUp) -> Cursor:
        """Start reading this numbering of the mailbox; ``floor_uid`` is its newest UID now."""
        async with self._database.connection() as connection:
            await connection.execute(statements.BEGIN, *self._box, uidvalidity, floor_uid, catch_up.value)
        return Cursor(uidvalidity=uidvalidity, last_uid=0, floor_uid=floor_uid, catch_up=catch_up)

    async def caught_up(self, cursor: Cursor) -> None:
        """Note that every message up to the floor has been decided."""
        async with self._database.connection() as connection:
            await connection.execute(statements.CAUGHT_UP, *self._box, cursor.uidvalidity)

    async def taken(self, uidvalidity: int, uids: Sequence[int]) -> set[int]:
        """Which of ``uids`` have been decided already."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statements.TAKEN, *self._box, uidvalidity, list(uids))
        return {row["uid"] for row in rows}

    async def take(
        self, uid: int, cursor: Cursor, mail: MailFacts, decide: Callable[[MailId, Facts], Decision]
    ) -> Decision | None:
        """Decide and remember one message and move the cursor, in one transaction.

        Returns None when another poller has decided it, or the mailbox was renumbered, meanwhile.
        """
        where = MailId(account=self._box[0], mailbox=self._box[1], uidvalidity=cursor.uidvalidity, uid=uid)
        async with self._database.transaction() as connection:
            uidvalidity = await connection.fetchval(statements.LOCK_CURSOR, *self._box)
            if uidvalidity != cursor.uidvalidity:
                return None
            decision = decide(where, await self._facts(connection, cursor, uid, mail))
            if not await self._insert(connection, where, mail, decision):
                return None
            await connection.execute(statements.ADVANCE, *self._box, uid)
        return decision

    async def pending(self, limit: int) -> list[Pending]:
        """Events to publish, oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(statements.PENDING, *self._box, limit)
        return [Pending(**dict(row)) for row in rows]

    async def count_pending(self) -> int:
        """How many events wait for Kafka."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(statements.COUNT_PENDING, *self._box))

    async def published(self, events: Sequence[Pending]) -> None:
        """Kafka has these; their values need no longer be kept."""
        async with self._database.connection() as connection:
            await connection.execute(statements.PUBLISHED, [event.event_id for event in events])

    async def refused(self, event: Pending, why: Ignored) -> None:
        """Kafka will never take this one; the value stays for whoever looks into it."""
        async with self._database.connection() as connection:
            await connection.execute(statements.REFUSED, event.event_id, why.value)

    async def _facts(self, connection: Connection, cursor: Cursor, uid: int, mail: MailFacts) -> Facts:
        # Only a rescan meets a message twice; at other times an equal mail is one that was sent twice.
        rescan = cursor.catch_up is CatchUp.RESCAN and uid <= cursor.floor_uid
        row = await connection.fetchrow(
            statements.FACTS,
            self._box[0],
            mail.message_id,
            mail.content_hash if rescan else None,
            cursor.uidvalidity,
            _hashed(mail.sender),
        )
        return Facts(**dict(row)) if row is not None else Facts()

    async def _insert(
        self, connection: Connection, where: MailId, mail: MailFacts, decision: Decision
    ) -> bool:
        take = decision if isinstance(decision, Take) else None
        status = await connection.execute(
            statements.INSERT,
            where.account,
            where.mailbox,
            where.uidvalidity,
            where.uid,
            email_event_id(
                account=where.account, mailbox=where.mailbox, uidvalidity=where.uidvalidity, uid=where.uid
            ),
            "pending" if take else "ignored",
            decision.why.value if isinstance(decision, Ignore) else None,
            mail.message_id,
            mail.content_hash,
            _hashed(mail.sender),
            take.key if take else None,
            take.payload.model_dump_json().encode() if take else None,
            mail.traceparent,
        )
        return str(status) == "INSERT 0 1"


def _hashed(sender: str | None) -> str | None:
    return None if sender is None else hashlib.sha256(sender.lower().encode()).hexdigest()


def _lock_key(account: str, mailbox: str) -> int:
    """A signed 64-bit number for the advisory lock."""
    digest = hashlib.sha256(f"email-poller\n{account}\n{mailbox}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)

"""What every mailbox does, the fake and the one on a server; run by the tests of both."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from support.mails import mail

from email_poller.mailbox import Criteria, Mailbox

Deliver = Callable[[bytes, bool], int]
"""Puts a mail into the mailbox (raw, seen) and returns its UID."""


async def numbers_messages_and_announces_the_next(mailbox: Mailbox, deliver: Deliver) -> None:
    empty = await mailbox.select()
    first = deliver(mail(1), False)
    second = deliver(mail(2), False)
    selected = await mailbox.select()
    assert selected.uidvalidity == empty.uidvalidity > 0
    assert empty.uidnext <= first < second < selected.uidnext
    assert await mailbox.search(Criteria(above_uid=0)) == [first, second]


async def finds_only_what_is_above(mailbox: Mailbox, deliver: Deliver) -> None:
    uids = [deliver(mail(n), False) for n in range(3)]
    await mailbox.select()
    assert await mailbox.search(Criteria(above_uid=uids[0])) == uids[1:]
    assert await mailbox.search(Criteria(above_uid=uids[2])) == []
    assert await mailbox.search(Criteria(above_uid=uids[2] + 1000)) == []


async def finds_what_nobody_has_read(mailbox: Mailbox, deliver: Deliver) -> None:
    read, unread = deliver(mail(1), True), deliver(mail(2), False)
    await mailbox.select()
    assert await mailbox.search(Criteria(above_uid=0, unseen=True)) == [unread]
    assert await mailbox.search(Criteria(above_uid=0)) == [read, unread]


async def finds_what_is_recent(mailbox: Mailbox, deliver: Deliver) -> None:
    uid = deliver(mail(1), False)
    await mailbox.select()
    today = datetime.now(UTC).date()
    assert await mailbox.search(Criteria(above_uid=0, since=today - timedelta(days=1))) == [uid]
    assert await mailbox.search(Criteria(above_uid=0, since=today + timedelta(days=2))) == []


async def hands_a_message_over_without_marking_it(mailbox: Mailbox, deliver: Deliver) -> None:
    raw = mail(1, "ñ" * 5000 + "\r\n\r\n.\r\nlast")
    uid = deliver(raw, False)
    await mailbox.select()
    assert (await mailbox.sizes([uid, uid + 50])).keys() == {uid}
    assert abs((await mailbox.sizes([uid]))[uid] - len(raw)) < 200
    fetched = await mailbox.fetch(uid)
    assert fetched is not None
    assert fetched.rstrip().endswith(raw.rstrip())
    assert await mailbox.search(Criteria(above_uid=0, unseen=True)) == [uid]


async def has_nothing_where_nothing_is(mailbox: Mailbox, deliver: Deliver) -> None:
    uid = deliver(mail(1), False)
    await mailbox.select()
    assert await mailbox.fetch(uid + 7) is None
    assert await mailbox.sizes([uid + 7]) == {}


async def marks_as_often_as_asked(mailbox: Mailbox, deliver: Deliver) -> None:
    first, second = deliver(mail(1), False), deliver(mail(2), False)
    await mailbox.select()
    await mailbox.mark_seen([first])
    await mailbox.mark_seen([first])
    assert await mailbox.search(Criteria(above_uid=0, unseen=True)) == [second]


CONTRACT = (
    numbers_messages_and_announces_the_next,
    finds_only_what_is_above,
    finds_what_nobody_has_read,
    finds_what_is_recent,
    hands_a_message_over_without_marking_it,
    has_nothing_where_nothing_is,
    marks_as_often_as_asked,
)

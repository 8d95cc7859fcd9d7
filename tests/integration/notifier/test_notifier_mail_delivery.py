"""Replies by mail through a real mail server: threaded, marked, once, and patient."""

import email
import imaplib
import smtplib
from email import policy

import pytest
from support.deliveries import email_reply
from support.notifier_rig import notifier_world
from support.sandbox_server import sandbox_server

from posta.domain.envelope import header

pytestmark = pytest.mark.integration
ACCOUNT, CUSTOMER, PASSWORD = "posta@example.test", "customer@example.test", "a password for tests"
LONG_ID = "<" + "0100019a" * 12 + "-000000@email.amazonses.com>"


@pytest.fixture
def sandbox(mail):
    empty(mail)
    with sandbox_server(smtp_port=mail.smtp_port, imap_port=mail.imap_port) as sandbox:
        yield sandbox


@pytest.fixture
async def world(kafka, topic_prefix, database_url, sandbox, tmp_path):
    async with notifier_world(
        kafka.bootstrap_servers, topic_prefix, database_url, sandbox, tmp_path
    ) as world:
        world.env.update(
            {
                "POSTA_MAIL__ADDRESS": ACCOUNT,
                "POSTA_MAIL__USERNAME": ACCOUNT,
                "POSTA_MAIL__PASSWORD": PASSWORD,
                "POSTA_MAIL__SMTP_HOST": "127.0.0.1",
                "POSTA_MAIL__SMTP_PORT": str(sandbox.smtp_port),
                "POSTA_MAIL__SMTP_SECURITY": "plain",
            }
        )
        yield world


def session(mail):
    imap = imaplib.IMAP4("127.0.0.1", mail.imap_port, timeout=10)
    imap.login(CUSTOMER, PASSWORD)
    imap.select("INBOX")
    return imap


def inbox(mail):
    """What the customer received, oldest first, as parsed messages and as they came."""
    imap = session(mail)
    _, found = imap.uid("SEARCH", "ALL")
    raws = [imap.uid("FETCH", uid.decode(), "(BODY.PEEK[])")[1][0][1] for uid in found[0].split()]
    imap.logout()
    return [(email.message_from_bytes(raw, policy=policy.default), raw) for raw in raws]


def empty(mail):
    imap = session(mail)
    _, found = imap.uid("SEARCH", "ALL")
    for uid in found[0].split():
        imap.uid("STORE", uid.decode(), "+FLAGS", "(\\Deleted)")
    imap.expunge()
    imap.logout()


async def test_a_reply_arrives_in_its_thread_and_says_that_it_is_automatic(world, mail):
    reply = email_reply(
        text="¡Porque se dispersa!\n.\nFrom here.\n",
        subject="¿Por qué?\r\nBcc: evil@example.test",
        in_reply_to=LONG_ID,
        references=("<first@example.test>",),
    )
    with world.notifier():
        await world.feed(reply)
        await world.all_sent(1)
    ((message, raw),) = inbox(mail)
    head = raw.split(b"\r\n\r\n", 1)[0].decode().replace("\r\n ", " ").replace("\r\n\t", " ")
    row = (await world.rows())[reply.id]
    assert f"\r\nIn-Reply-To: {LONG_ID}\r\n" in head
    assert f"\r\nReferences: <first@example.test> {LONG_ID}\r\n" in head
    assert f"\r\nMessage-ID: {row['message_id']}\r\n" in head
    assert message["From"] == ACCOUNT
    assert message["Subject"] == "Re: ¿Por qué? Bcc: evil@example.test"
    assert message["Bcc"] is None
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["X-Auto-Response-Suppress"] == "All"
    body = message.get_content().replace("\r\n", "\n")
    assert body.strip() == "¡Porque se dispersa!\n.\nFrom here."
    assert PASSWORD not in world.log.read_text()


async def test_while_the_mail_server_is_away_a_reply_waits_and_then_arrives_once(world, mail):
    world.sandbox.strike("smtp", {"kind": "reset", "at": "connect", "count": 1})
    with world.notifier():
        await world.feed(email_reply(1))
        await world.all_sent(1, within_s=40)
    assert len(inbox(mail)) == 1
    assert (await world.rows())[email_reply(1).id]["attempts"] == 2


async def test_a_mail_whose_answer_was_lost_comes_again_under_the_same_id(world, mail):
    world.sandbox.strike("smtp", {"kind": "lost_answer", "count": 1})
    with world.notifier():
        await world.feed(email_reply(1))
        await world.all_sent(1, within_s=40)
    received = [message["Message-ID"] for message, _ in inbox(mail)]
    assert len(received) == 2
    assert len(set(received)) == 1


async def test_a_refused_login_waits_for_an_operator_and_gives_nothing_up(world, mail):
    with world.notifier({"POSTA_MAIL__PASSWORD": "wrong"}):
        await world.feed(email_reply(1))
        await world.until(lambda: "smtp_login_refused" in world.log.read_text())
        assert await world.dead_letters(1, timeout_s=1) == []
    assert inbox(mail) == []
    assert "wrong" not in world.log.read_text()


async def test_an_address_that_is_none_is_a_dead_letter(world, mail):
    with world.notifier():
        await world.feed(email_reply(1, to="nobody"), email_reply(2))
        (letter,) = await world.dead_letters(1)
        await world.all_sent(1)
    assert header(letter.headers, "posta-exception-type") == "TargetGone"
    assert len(inbox(mail)) == 1
    with smtplib.SMTP("127.0.0.1", mail.smtp_port) as still_there:
        assert still_there.noop()[0] == 250

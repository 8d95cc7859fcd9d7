"""The SMTP adapter against a scripted server on loopback."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from support.deliveries import email_reply

from notifier.mail.letter import compose
from notifier.mail.smtp import NOT_LET_IN_RETRY_S, Smtp
from notifier.refusals import ContentRefused, OutcomeUnknown, TargetGone
from notifier.settings import MailSettings
from posta.errors import Transient

FINE = {
    "greeting": "220 hi",
    "EHLO": "250-hi\r\n250-8BITMIME\r\n250 AUTH PLAIN",
    "AUTH": "235 in",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go",
    ".": "250 taken",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


def letter():
    reply = email_reply().data
    at = datetime(2026, 1, 2, tzinfo=UTC)
    return compose(reply.target, reply.text, event_id="e", sent_at=at, language="en")


class Script:
    """What the server says to each command (None: it hangs up), and what it was told."""

    def __init__(self, **replies):
        self.replies = {**FINE, **replies}
        self.taken = []
        self.lines = []

    async def serve(self, reader, writer):
        try:
            await self._talk(reader, writer)
        finally:
            writer.close()

    async def _talk(self, reader, writer):
        if not await self._say(writer, "greeting"):
            return
        while line := (await reader.readline()).decode().strip():
            self.lines.append(line)
            verb = line.split()[0].upper()
            if not await self._say(writer, verb):
                return
            if verb == "DATA" and self.replies["DATA"].startswith("354"):
                self.taken.append(await reader.readuntil(b"\r\n.\r\n"))
                if not await self._say(writer, "."):
                    return

    async def _say(self, writer, key):
        reply = self.replies[key]
        if reply is None:
            return False
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()
        return True


@asynccontextmanager
async def smtp(script, **settings):
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    given = {
        "address": "posta@example.test",
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_security": "plain",
        "smtp_connect_timeout_s": 2,
        "smtp_timeout_s": 2,
        **settings,
    }
    async with server:
        yield Smtp(MailSettings(**given))


async def test_a_mail_is_handed_over_as_its_bytes_are():
    script = Script()
    async with smtp(script, username="posta", password="s3cret") as client:
        await client.send(letter())
    (data,) = script.taken
    assert data == letter().data.rstrip(b"\r\n") + b"\r\n.\r\n"
    assert "MAIL FROM:<posta@example.test>" in script.lines[2]
    assert script.lines[3] == "RCPT TO:<customer@example.test>"
    assert script.lines[0] == "EHLO example.test"


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ({"greeting": "421 busy"}, Transient),
        ({"greeting": "554 go away"}, Transient),
        ({"greeting": None}, Transient),
        ({"MAIL": "421 4.7.0 busy"}, Transient),
        ({"MAIL": "530 5.7.0 log in first"}, Transient),
        ({"RCPT": "450 4.2.0 greylisted"}, Transient),
        ({"RCPT": "550 5.1.1 nobody"}, TargetGone),
        ({"DATA": "452 4.3.1 full"}, Transient),
        ({".": "451 4.3.0 later"}, Transient),
        ({".": "554 5.6.0 not this"}, ContentRefused),
        ({".": None}, OutcomeUnknown),
    ],
)
async def test_each_refusal_is_the_failure_it_means(replies, expected):
    async with smtp(Script(**replies)) as client:
        with pytest.raises(expected) as caught:
            await client.send(letter())
    assert type(caught.value) is expected


async def test_a_server_that_says_nothing_after_the_final_dot_leaves_the_outcome_unknown():
    script = Script(**{".": "250-wait"})
    async with smtp(script, smtp_timeout_s=0.2) as client:
        with pytest.raises(OutcomeUnknown):
            await client.send(letter())


async def test_a_mail_that_was_taken_is_sent_whatever_becomes_of_the_goodbye():
    script = Script(QUIT=None)
    async with smtp(script) as client:
        await client.send(letter())
    assert len(script.taken) == 1


@pytest.mark.parametrize("reply", ["535 5.7.8 no", "500 what is <AUTH PLAIN AHBvc3RhAHMzY3JldA==>"])
async def test_a_refused_login_waits_long_and_repeats_nothing_of_it(reply):
    async with smtp(Script(AUTH=reply), username="posta", password="s3cret") as client:
        with pytest.raises(Transient) as caught:
            await client.send(letter())
    assert caught.value.retry_after_s == NOT_LET_IN_RETRY_S
    assert "AHBv" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_nobody_listening_is_transient():
    settings = MailSettings(address="p@x.test", smtp_host="127.0.0.1", smtp_port=1, smtp_security="plain")
    with pytest.raises(Transient) as caught:
        await Smtp(settings).send(letter())
    assert type(caught.value) is Transient


async def test_without_tls_where_it_is_wanted_no_mail_leaves():
    script = Script()
    async with smtp(script, smtp_security="starttls") as client:
        with pytest.raises(Transient):
            await client.send(letter())
    assert script.taken == []

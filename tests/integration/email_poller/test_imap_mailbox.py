"""The IMAP adapter on a real server: the contract, and what happens when the line or the server fails."""

import asyncio
import time

import pytest
from support.email_poller_rig import PASSWORD, Account, mail_environment
from support.mailbox_contract import CONTRACT
from support.mails import mail as a_mail
from support.processes import free_port
from support.tcp_gate import tcp_gate

from email_poller.imap import ImapMailbox
from email_poller.mailbox import Criteria, Refused
from email_poller.settings import EmailPollerSettings
from posta.errors import Unavailable
from posta.settings import load

pytestmark = pytest.mark.integration


@pytest.fixture
def account(mail):
    return Account(mail)


def mailbox_of(account, *, imap_port=None, **env):
    given = {**mail_environment(account, imap_port=imap_port), **env}
    return ImapMailbox(load(EmailPollerSettings, given).mail)


@pytest.mark.parametrize("rule", CONTRACT)
async def test_a_servers_mailbox_does_what_a_mailbox_does(account, rule):
    async with mailbox_of(account) as mailbox:
        await rule(mailbox, lambda raw, seen: account.append(raw, seen=seen))


async def test_a_wrong_password_is_a_refusal_that_does_not_show_it(account):
    async with mailbox_of(account, POSTA_MAIL__PASSWORD="guessed wrong") as mailbox:
        with pytest.raises(Refused) as caught:
            await mailbox.select()
    assert "guessed wrong" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


async def test_a_missing_mailbox_is_a_refusal(account):
    async with mailbox_of(account, POSTA_MAIL__MAILBOX="Nowhere") as mailbox:
        with pytest.raises(Refused):
            await mailbox.select()


async def test_a_server_that_is_not_there_is_unavailable(account):
    async with mailbox_of(account, imap_port=free_port()) as mailbox:
        with pytest.raises(Unavailable):
            await mailbox.select()


async def test_a_reset_connection_is_opened_again_by_the_next_select(account):
    uid = account.append(a_mail(1))
    with tcp_gate("127.0.0.1", account.imap_port) as gate:
        async with mailbox_of(account, imap_port=gate.port) as mailbox:
            await mailbox.select()
            gate.reset()
            with pytest.raises(Unavailable):
                await mailbox.search(Criteria(above_uid=0))
            with pytest.raises(Unavailable, match="select comes first"):
                await mailbox.fetch(uid)
            await mailbox.select()
            assert await mailbox.search(Criteria(above_uid=0)) == [uid]


async def test_an_idle_connection_the_server_has_ended_is_no_failure(account):
    with tcp_gate("127.0.0.1", account.imap_port) as gate:
        async with mailbox_of(account, imap_port=gate.port) as mailbox:
            before = await mailbox.select()
            gate.reset()
            await asyncio.sleep(0.1)
            assert await mailbox.select() == before


async def test_silence_ends_at_the_timeout_and_leaving_never_waits_for_it(account):
    with tcp_gate("127.0.0.1", account.imap_port) as gate:
        async with mailbox_of(account, imap_port=gate.port, POSTA_MAIL__IMAP_TIMEOUT_S="0.5") as mailbox:
            await mailbox.select()
            gate.hang()
            with pytest.raises(Unavailable):
                await mailbox.search(Criteria(above_uid=0))
        async with mailbox_of(account, imap_port=gate.port, POSTA_MAIL__IMAP_TIMEOUT_S="8") as mailbox:
            started = time.monotonic()
            waiting = asyncio.create_task(mailbox.select())
            await asyncio.sleep(0.2)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert time.monotonic() - started < 3
        gate.pass_on()


async def test_a_server_without_tls_is_not_spoken_to_in_clear_when_tls_is_asked_for(account):
    async with mailbox_of(account, POSTA_MAIL__IMAP_SECURITY="ssl") as mailbox:
        with pytest.raises(Unavailable):
            await mailbox.select()
    async with mailbox_of(account, POSTA_MAIL__IMAP_SECURITY="starttls") as mailbox:
        with pytest.raises(Unavailable):
            await mailbox.select()

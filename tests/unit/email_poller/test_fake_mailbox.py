import pytest
from support.mailbox_contract import CONTRACT

from email_poller.fakes import FakeMailbox


@pytest.mark.parametrize("rule", CONTRACT)
async def test_the_fake_mailbox_does_what_a_mailbox_does(rule):
    mailbox = FakeMailbox()
    await rule(mailbox, lambda raw, seen: mailbox.deliver(raw, seen=seen))

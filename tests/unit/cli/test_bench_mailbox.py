"""The sample mailbox is the same for everybody, made up as it says, and read by email-poller's own code."""

from collections import Counter

import pytest

from email_poller.parse import parse
from email_poller.reply_text import reply_text
from posta_cli.bench.answering.backlog import events_of
from posta_cli.bench.mailbox.sample import SHARES, letters

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mails():
    return letters(500)


def test_the_same_seed_makes_the_same_mails_and_another_one_others():
    assert letters(40) == letters(40)
    assert letters(40) != letters(40, seed=1)


def test_the_kinds_have_the_shares_that_the_docs_state(mails):
    assert Counter(one.kind for one in mails) == {kind: round(share * 500) for kind, share in SHARES.items()}
    spanish = sum(one.language == "es" for one in mails) / 500
    assert 0.6 < spanish < 0.75


def test_a_follow_up_continues_a_thread_and_quotes_it(mails):
    follow_ups = [one for one in mails if one.kind == "follow_up"]
    for one in follow_ups:
        assert one.thread < one.uid
        assert one.subject.startswith("Re: ")
        assert "\n> " in one.body
        assert ">" not in reply_text(parse(one.raw).text)


def test_every_mail_is_taken_as_a_question_in_its_thread_and_language(mails):
    events = events_of(mails)
    assert len({id_ for id_, _, _ in events}) == 500
    keys = {letter.uid: key for letter, (_, key, _) in zip(mails, events, strict=True)}
    for letter, (_, key, data) in zip(mails, events, strict=True):
        assert key == keys[letter.thread]
        assert data.locale == letter.language
    assert len(set(keys.values())) == len({letter.thread for letter in mails})

import pytest

from email_poller.decision import Facts, Ignore, MailId, Take, TakingPolicy, decide
from email_poller.ignored import Ignored
from email_poller.parse import parse

WHERE = MailId(account="posta@example.test", mailbox="INBOX", uidvalidity=7, uid=3)
POLICY = TakingPolicy(own_addresses=frozenset({"posta@example.test"}), answers_per_sender_per_hour=2)


def decided(*fields: str, body: str = "How much?", facts: Facts | None = None):
    raw = "\r\n".join([*fields, "", body]).encode()
    return decide(parse(raw), WHERE, facts or Facts(), POLICY)


def test_a_question_becomes_an_event_with_all_a_reply_needs():
    decision = decided(
        "From: Ana <ana@example.test>",
        "Message-ID: <b@x>",
        "In-Reply-To: <ours@x>",
        "References: <a@x> <ours@x>",
        "Subject: Hola",
        body="¿Cuánto cuesta el envío?\n\nEl vie, 20 nov 2026, Posta escribió:\n> Hola",
    )
    assert isinstance(decision, Take)
    data = decision.payload
    assert (data.account, data.mailbox, data.uidvalidity, data.uid) == ("posta@example.test", "INBOX", 7, 3)
    assert (data.sender.id, data.sender.name) == ("ana@example.test", "Ana")
    assert (data.message_id, data.in_reply_to, data.references) == (
        "<b@x>",
        "<ours@x>",
        ("<a@x>", "<ours@x>"),
    )
    assert (data.text, data.subject, data.locale) == ("¿Cuánto cuesta el envío?", "Hola", "es")
    assert decision.key.startswith("email:posta@example.test:")


def test_a_question_in_the_subject_alone_is_one():
    decision = decided("From: ana@example.test", "Subject: Are you open today?", body="")
    assert isinstance(decision, Take)
    assert decision.payload.text == "Are you open today?"


@pytest.mark.parametrize(
    ("fields", "facts", "why"),
    [
        pytest.param(("Subject: x",), Facts(), Ignored.NO_SENDER, id="nobody to answer"),
        pytest.param(("From: a@x.test",), Facts(sent_by_us=True), Ignored.SENT_BY_US, id="ours"),
        pytest.param(("From: a@x.test",), Facts(duplicate=True), Ignored.DUPLICATE, id="known"),
        pytest.param(("From: a@x.test",), Facts(answers_last_hour=2), Ignored.SENDER_CAP, id="cap"),
        pytest.param(("From: a@x.test", "List-Id: <l>"), Facts(), Ignored.MAILING_LIST, id="list"),
    ],
)
def test_a_mail_that_wants_no_answer_is_ignored_with_the_reason(fields, facts, why):
    assert decided(*fields, facts=facts) == Ignore(why=why)


def test_a_mail_without_text_and_subject_is_ignored():
    assert decided("From: a@x.test", body="") == Ignore(why=Ignored.NO_TEXT)


def test_a_sender_below_the_cap_is_answered():
    assert isinstance(decided("From: a@x.test", facts=Facts(answers_last_hour=1)), Take)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_poller.parse import parse
from email_poller.threads import normalised_subject, thread_key, thread_root

ACCOUNT = "posta@example.test"


def read(*fields: str, sender: str = "ana@example.test"):
    return parse("\r\n".join([f"From: {sender}", *fields, "", "x"]).encode())


def key(*fields: str, **more: str) -> str:
    return thread_key(read(*fields, **more), account=ACCOUNT)


def test_a_question_and_everything_that_follows_have_one_key():
    question = key("Message-ID: <q@x>")
    answered = key("Message-ID: <r@x>", "In-Reply-To: <ours@x>", "References: <q@x> <ours@x>")
    later = key("Message-ID: <s@x>", "References: <q@x> <ours@x> <r@x>", "In-Reply-To: <r@x>")
    assert question == answered == later
    assert question != key("Message-ID: <other@x>")
    assert question.startswith("email:posta@example.test:")


def test_the_root_is_the_first_reference_then_the_parent_then_the_mail_itself():
    assert thread_root(read("Message-ID: <c@x>", "In-Reply-To: <b@x>", "References: <a@x> <b@x>")) == "<a@x>"
    assert thread_root(read("Message-ID: <c@x>", "In-Reply-To: <b@x>")) == "<b@x>"
    assert thread_root(read("Message-ID: <c@x>")) == "<c@x>"


def test_without_ids_the_sender_and_the_subject_make_the_thread():
    assert key("Subject: Prices") == key("Subject: RE: Fwd: Re[2]:  prices", sender="Ana <ANA@example.test>")
    assert key("Subject: Prices") != key("Subject: Prices", sender="bob@example.test")
    assert key("Subject: Prices") != key("Subject: Hours")


@pytest.mark.parametrize(
    ("subject", "bare"),
    [("Re: x", "x"), ("RV: Re:x", "x"), ("AW: WG: x  y", "x y"), ("Request: x", "request: x"), ("", "")],
)
def test_reply_marks_do_not_count(subject, bare):
    assert normalised_subject(subject) == bare


@given(st.text(max_size=60))
def test_a_reply_to_any_subject_stays_in_the_thread(subject):
    assert normalised_subject(f"Re: {subject}") == normalised_subject(subject)

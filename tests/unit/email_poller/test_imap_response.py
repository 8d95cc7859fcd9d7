import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_poller.imap_response import Refusal, literal_of, refusal, sizes_in, uid_set


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("[AUTHENTICATIONFAILED] Invalid credentials", Refusal.STOP),
        ("b'[UNAVAILABLE] try later'", Refusal.WAIT),
        ("[INUSE] locked", Refusal.WAIT),
        ("[SERVERBUG] oops", Refusal.WAIT),
        ("[LIMIT] too many connections", Refusal.WAIT),
        ("[NONEXISTENT] no such mailbox", Refusal.STOP),
        ("[ALERT] [contactadmin] call us", Refusal.STOP),
    ],
)
def test_a_response_code_says_whether_waiting_helps(text, meaning):
    assert refusal(text, otherwise=Refusal.STOP) is meaning
    assert refusal(text, otherwise=Refusal.WAIT) is meaning


def test_without_a_code_the_caller_knows_best():
    assert refusal("LOGIN failed", otherwise=Refusal.STOP) is Refusal.STOP
    assert refusal("BAD [x] command", otherwise=Refusal.WAIT) is Refusal.WAIT


def test_uids_are_written_as_ranges():
    assert uid_set([9, 3, 4, 5, 4]) == "3:5,9"
    assert uid_set([7]) == "7"


@given(st.sets(st.integers(1, 60)))
def test_a_uid_set_names_exactly_its_uids(uids):
    named = set()
    for part in filter(None, uid_set(uids).split(",")):
        first, _, last = part.partition(":")
        named |= set(range(int(first), int(last or first) + 1))
    assert named == uids


def test_sizes_are_read_from_lines_and_from_lines_with_literals():
    data = [b"1 (UID 5 RFC822.SIZE 120)", (b"2 (RFC822.SIZE 30 UID 6 X {1}", b"x"), b")", None]
    assert sizes_in(data) == {5: 120, 6: 30}


@pytest.mark.parametrize(
    ("data", "literal"),
    [
        pytest.param([(b"1 (UID 5 BODY[] {1}", b"x"), b")"], b"x", id="uid before the literal"),
        pytest.param([(b"1 (BODY[] {1}", b"x"), b" UID 5)"], b"x", id="uid behind the literal"),
        pytest.param(
            [b"3 (FLAGS (\\Seen))", (b"1 (UID 5 BODY[] {1}", b"x"), b")"], b"x", id="other news between"
        ),
        pytest.param([(b"1 (UID 55 BODY[] {1}", b"y"), b")"], None, id="another message"),
        pytest.param([None], None, id="gone"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_a_message_is_recognised_by_its_uid(data, literal):
    assert literal_of(data, 5) == literal

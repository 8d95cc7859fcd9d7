import pytest

from dlq_admin.same_origin import is_same_origin, own_origin
from dlq_admin.sessions import Sessions
from posta.auth import Principal

ADA = Principal(name="ada", scopes=frozenset({"dlq:read"}))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(clock):
    return Sessions(idle_s=10, most_s=25, clock=clock)


def test_a_session_is_found_by_its_id_alone(sessions):
    first, second = sessions.open(ADA, key_sha256=b"k"), sessions.open(ADA, key_sha256=b"k")
    assert first != second
    assert sessions.find(first).principal is ADA
    assert sessions.find("") is None
    assert sessions.find("\ud800") is None


def test_a_session_ends_when_it_is_idle(sessions, clock):
    number = sessions.open(ADA, key_sha256=b"k")
    clock.now = 9
    assert sessions.find(number)
    clock.now = 18
    assert sessions.find(number)
    clock.now = 28
    assert sessions.find(number) is None


def test_a_session_ends_however_much_it_is_used(sessions, clock):
    number = sessions.open(ADA, key_sha256=b"k")
    for clock.now in (8, 16, 24):
        assert sessions.find(number)
    clock.now = 25
    assert sessions.find(number) is None


def test_a_session_that_was_closed_is_gone(sessions):
    number = sessions.open(ADA, key_sha256=b"k")
    sessions.close(number)
    sessions.close("never")
    assert sessions.find(number) is None


def test_the_least_recently_used_makes_room(sessions):
    first, second = sessions.open(ADA, key_sha256=b"k"), sessions.open(ADA, key_sha256=b"k")
    assert sessions.find(first)
    for _ in range(999):
        sessions.open(ADA, key_sha256=b"k")
    assert sessions.find(second) is None
    assert sessions.find(first)


def test_a_message_is_shown_once(sessions):
    session = sessions.find(sessions.open(ADA, key_sha256=b"k"))
    session.flash("good", "done")
    assert [flash.text for flash in session.take_flashes()] == ["done"]
    assert session.take_flashes() == []


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"origin": "https://dlq.test"}, True),
        ({"origin": "https://DLQ.test"}, True),
        ({"origin": "https://dlq.test", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": "https://dlq.test", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "http://dlq.test"}, False),
        ({"origin": "https://dlq.test.evil"}, False),
        ({"origin": "https://dlq.test:444"}, False),
        ({"origin": "null"}, False),
        ({"origin": "", "sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({}, False),
    ],
)
def test_only_our_own_page_may_post(headers, allowed):
    assert is_same_origin(headers, own="https://dlq.test") is allowed


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [
        (None, "http://127.0.0.1:8080"),
        ("https://DLQ.test/", "https://dlq.test"),
        ("https://dlq.test:444/console", "https://dlq.test:444"),
    ],
)
def test_our_origin_is_the_configured_one_or_the_requested_one(public_url, expected):
    assert own_origin(public_url=public_url, scheme="http", host="127.0.0.1:8080") == expected

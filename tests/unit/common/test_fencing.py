"""Fencing: when a static member may say that another process has its id."""

import pytest
from aiokafka.errors import KafkaError, for_code

from posta.engine.fencing import FencedInstanceId, Fencing
from posta.errors import ConfigurationError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fencing(clock, instance_id="a"):
    return Fencing("g", instance_id, session_timeout_s=10, clock=clock)


def play(one, clock, events):
    for at, what in events:
        clock.now = at
        getattr(one, what)()


@pytest.mark.parametrize(
    ("events", "is_fenced"),
    [
        pytest.param([(0, "joined"), (100, "forgotten")], False, id="taken for dead once"),
        pytest.param(
            [(0, "joined"), (100, "forgotten"), (101, "joined"), (104, "forgotten")], True, id="twice at once"
        ),
        pytest.param(
            [(0, "joined"), (100, "forgotten"), (101, "joined"), (112, "forgotten")],
            False,
            id="a session timeout lies between",
        ),
        pytest.param([(0, "joined"), (3, "forgotten")], False, id="the newer of two, whom the older met"),
    ],
)
def test_only_a_member_that_is_forgotten_again_at_once_is_fenced(events, is_fenced):
    clock = Clock()
    one = fencing(clock)
    play(one, clock, events)
    if is_fenced:
        with pytest.raises(ConfigurationError, match="GROUP_INSTANCE_ID"):
            one.check()
    else:
        one.check()


def test_a_member_without_an_id_is_never_fenced():
    clock = Clock()
    one = fencing(clock, instance_id=None)
    play(one, clock, [(0, "joined"), (1, "forgotten"), (2, "joined"), (3, "forgotten")])
    one.check()


def test_the_brokers_own_word_is_understood_though_the_client_only_quotes_it():
    assert for_code(82) is FencedInstanceId
    one = fencing(Clock())
    one.failed(KafkaError(repr(for_code(-1)())))
    one.check()
    one.failed(KafkaError(repr(for_code(82)())))
    with pytest.raises(ConfigurationError):
        one.check()

"""Fencing: when a static member has to leave its place to another process."""

from dataclasses import replace

import pytest
from aiokafka.errors import for_code

from posta.engine.assignor import Process
from posta.engine.fencing import FencedInstanceId, Fencing
from posta.errors import ConfigurationError


def fencing() -> tuple[Fencing, Process]:
    one = Fencing("g", "a")
    assert one.process is not None
    return one, one.process


def another(mine: Process, *, later_ns: int) -> Process:
    return Process("a", mine.started + later_ns, "another")


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param(lambda _mine: None, id="nobody: our session was over"),
        pytest.param(lambda mine: mine, id="ourselves: a join whose answer was lost"),
        pytest.param(lambda mine: another(mine, later_ns=-1), id="a late join of our predecessor"),
    ],
)
def test_it_goes_on_when_no_later_process_is_the_member(holder):
    one, mine = fencing()
    one.held_by(holder(mine))
    one.check()


def test_a_process_that_was_started_later_ends_it_for_good():
    one, mine = fencing()
    one.held_by(another(mine, later_ns=1))
    one.held_by(None)
    assert one.is_fenced
    with pytest.raises(ConfigurationError, match="GROUP_INSTANCE_ID"):
        one.check()


@pytest.mark.parametrize("later_ns", [-5, 0, 5])
def test_of_two_processes_exactly_one_succeeds_the_other(later_ns):
    _, mine = fencing()
    other = another(mine, later_ns=later_ns)
    assert mine.succeeds(other) is not other.succeeds(mine)
    assert not mine.succeeds(replace(mine))


def test_a_member_without_an_id_is_never_fenced():
    one = Fencing("g", None)
    one.held_by(Process("a", 1 << 80, "another"))
    one.check()


def test_the_brokers_own_word_for_it_is_known():
    """Otherwise the line that tells why a client was replaced would say UnknownError."""
    assert for_code(82) is FencedInstanceId

"""The watchdog: what it says of a loop that stands still, and when it ends the process."""

import threading

from prometheus_client import REGISTRY
from support.logged import logged

from posta.settings import WatchdogSettings
from posta.watchdog import EX_STALLED, Watchdog, stack_of


def stalls() -> float:
    return REGISTRY.get_sample_value("posta_event_loop_stalls_total") or 0.0


def a_dog(**settings: float) -> tuple[Watchdog, list[int]]:
    ends: list[int] = []
    dog = Watchdog(
        WatchdogSettings(**settings), stacks=lambda: ["handler.py:7 stuck"], end=ends.append, tick_s=1
    )
    return dog, ends


def test_a_stall_is_logged_once_with_its_stack_and_counted_and_so_is_its_end():
    dog, ends = a_dog(stall_s=3, exit_after_s=60)
    before = stalls()
    with logged() as lines:
        for _ in range(10):
            dog.wake()
        dog.tick()
    assert [line["frames"] for line in lines["event_loop_stalled"]] == [["handler.py:7 stuck"]]
    assert len(lines["event_loop_ticks_again"]) == 1
    assert stalls() == before + 1
    assert ends == []


def test_a_loop_that_ticks_is_left_alone():
    dog, ends = a_dog(stall_s=3, exit_after_s=5)
    before = stalls()
    for _ in range(50):
        dog.wake()
        dog.wake()
        dog.tick()
    assert (stalls(), ends) == (before, [])


def test_the_process_ends_with_its_own_code_after_the_bound():
    dog, ends = a_dog(stall_s=3, exit_after_s=5)
    for _ in range(5):
        dog.wake()
    assert ends == [EX_STALLED] == [70]


def test_zero_means_never():
    dog, ends = a_dog(stall_s=3, exit_after_s=0)
    for _ in range(10_000):
        dog.wake()
    assert ends == []


def test_a_stack_names_places_and_no_values():
    token = "hunter2"
    stack = stack_of(threading.get_ident())
    assert any(line.endswith("test_a_stack_names_places_and_no_values") for line in stack)
    assert token not in "\n".join(stack)

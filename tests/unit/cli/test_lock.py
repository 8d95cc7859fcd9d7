import os
import threading
from pathlib import Path

import pytest

from posta_cli import contact, lock
from posta_cli.errors import AlreadyRunningError, NotRunningError
from posta_cli.home import Home, prepare


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "state")
    prepare(made)
    return made


@pytest.mark.slow
def test_a_second_system_in_the_same_home_is_refused_with_the_firsts_pid(home: Home) -> None:
    with (
        lock.held(home),
        pytest.raises(AlreadyRunningError, match=rf"pid {os.getpid()}"),
        lock.held(home),
    ):
        pytest.fail("two held the lock")


def test_a_home_is_free_again_after_its_holder_has_left(home: Home) -> None:
    with lock.held(home):
        assert lock.holder(home) == os.getpid()
    assert lock.holder(home) is None


def test_nothing_runs_in_a_home_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(NotRunningError, match="No Posta system runs"):
        contact.ask(Home(tmp_path / "nowhere"), "status")
    assert not (tmp_path / "nowhere").exists()


def test_what_a_killed_supervisor_left_is_noticed_and_cleaned(home: Home) -> None:
    home.lock_file.write_text("999999")
    home.address_file.write_text('{"pid": 999999, "port": 1, "host": "127.0.0.1", "token": "t"}')
    with pytest.raises(NotRunningError, match="was killed before"):
        contact.ask(home, "status")
    assert not home.address_file.exists()


def test_somebody_who_only_looks_does_not_keep_a_system_from_starting(home: Home) -> None:
    with lock.held(home):
        pass
    started = threading.Event()

    def start() -> None:
        with lock.held(home):
            started.set()

    with lock.looked_at(home) as pid:
        starter = threading.Thread(target=start)
        starter.start()
        assert pid is None
        assert not started.wait(0.05)
    starter.join(timeout=2)
    assert started.is_set()

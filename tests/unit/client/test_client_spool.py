"""The client's spool: bounded, in order, shared, and never the reason that a program fails."""

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from posta_client.event import Event
from posta_client.spool import Pause, Spool, SpoolError, SpoolFull

MOST = 5


def event(name, size=10):
    return Event(id=name, body=b"x" * size)


def spool(folder, **bounds):
    return Spool(folder / "spool.sqlite3", **{"max_events": MOST, "max_bytes": 100_000, **bounds})


@pytest.fixture
def kept(tmp_path):
    made = spool(tmp_path)
    yield made
    made.close()


class Model:
    """What the spool should hold: ids in order, and those refused."""

    def __init__(self):
        self.order = []
        self.refused = set()

    @property
    def waiting(self):
        return [name for name in self.order if name not in self.refused]

    def put(self, name):
        if name in self.order:
            return True
        if len(self.order) == MOST:
            out = next((name for name in self.order if name in self.refused), None)
            if out is None:
                return False
            self.order.remove(out)
            self.refused.discard(out)
        self.order.append(name)
        return True


steps = st.lists(
    st.tuples(st.sampled_from(["put", "put", "take", "refuse", "requeue", "reopen"]), st.integers(0, 7)),
    max_size=9,
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_it_holds_what_was_kept_in_order_within_its_bounds(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("spool")
    real, model = spool(folder), Model()
    for step, number in steps:
        name = f"e{number}"
        if step == "put":
            try:
                real.put(event(name), timeout_s=5)
                assert model.put(name)
            except SpoolFull:
                assert not model.put(name)
        elif step == "take":
            real.remove(taken := real.first(number % 3 + 1, max_bytes=10**6))
            for one in taken:
                model.order.remove(one.event.id)
        elif step == "refuse":
            for one in real.first(1, max_bytes=10**6):
                real.refuse(one, "no")
                model.refused.add(one.event.id)
        elif step == "requeue":
            assert real.requeue_refused() == len(model.refused)
            model.refused.clear()
        else:
            real.close()
            real = spool(folder)
        assert [one.event.id for one in real.first(99, max_bytes=10**6)] == model.waiting
    held = real.contents()
    assert (held.waiting, held.refused) == (len(model.waiting), len(model.refused))
    real.close()


def test_two_spools_on_one_file_see_the_same(tmp_path):
    one, two = spool(tmp_path), spool(tmp_path)
    one.put(event("a"), timeout_s=5)
    two.put(event("b"), timeout_s=5)
    assert [kept.event.id for kept in one.first(9, max_bytes=10**6)] == ["a", "b"]
    two.set_pause(Pause(until=5.0, failures=2, reason="away"))
    assert one.pause() == Pause(until=5.0, failures=2, reason="away")
    one.close()
    two.close()


def test_a_byte_bound_holds_and_a_batch_is_never_empty_for_its_size(tmp_path):
    small = spool(tmp_path, max_bytes=500)
    small.put(event("a", 300), timeout_s=5)
    with pytest.raises(SpoolFull, match="400 bytes"):
        small.put(event("b", 300), timeout_s=5)
    assert len(small.first(9, max_bytes=1)) == 1
    small.close()


def test_a_damaged_file_is_set_aside_and_the_next_call_begins_a_new_one(tmp_path):
    (tmp_path / "spool.sqlite3").write_bytes(b"no database at all " * 100)
    broken = spool(tmp_path)
    with pytest.raises(SpoolError):
        broken.put(event("a"), timeout_s=5)
    broken.put(event("a"), timeout_s=5)
    assert list(tmp_path.glob("spool.sqlite3.damaged-*"))
    broken.close()


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="fails"):
        Spool(tmp_path / "file" / "spool.sqlite3", max_events=1, max_bytes=1).put(event("a"), timeout_s=1)


def test_only_one_holds_the_drain_lock_and_only_its_owner_reads_the_file(kept, tmp_path):
    kept.put(event("a"), timeout_s=5)
    assert (tmp_path / "spool.sqlite3").stat().st_mode & 0o077 == 0
    with kept.drain_lock() as first, kept.drain_lock() as second:
        assert (first.is_held, second.is_held) == (True, False)
    with kept.drain_lock() as third:
        assert third.is_held

"""What is put into the spool stays there, in order, through any crash, until it is removed."""

import asyncio
import os
import sqlite3
import stat
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from support.ingress_rig import entry, policy

from ingress.spool import Spool
from ingress.spool_file import SpoolFile, SpoolFull, SpoolUnusable
from posta.errors import ConfigurationError

ALL = 10_000
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where hundreds of commits cost no disk time, if there is such a place."""


@pytest.fixture
async def spool(tmp_path):
    async with Spool(policy(tmp_path)) as opened:
        yield opened


async def put(spool, *names):
    for name in names:
        await spool.put(entry(name), timeout_s=5)


async def held(spool):
    return [record.event_id for record in await spool.first(ALL, max_bytes=10**9, timeout_s=5)]


async def test_a_record_comes_back_exactly_as_it_was_put(spool):
    given_entry = entry("a", topic="events.published", value=b"\x00\xff")
    await spool.put(given_entry, timeout_s=5)
    (record,) = await spool.first(10, max_bytes=10**6, timeout_s=5)
    assert (record.event_id, record.topic) == ("a", "events.published")
    assert record.wire == given_entry.wire


async def test_order_is_that_of_acceptance_and_survives_a_restart(tmp_path):
    async with Spool(policy(tmp_path)) as spool:
        await put(spool, "c", "a", "b")
    async with Spool(policy(tmp_path)) as spool:
        assert spool.depth == 3
        assert await held(spool) == ["c", "a", "b"]


async def test_the_same_event_is_kept_once(spool):
    await put(spool, "a", "b", "a")
    assert await held(spool) == ["a", "b"]
    assert spool.depth == 2


async def test_an_event_that_left_may_come_again(spool):
    await put(spool, "a")
    await spool.remove(up_to=(await spool.first(1, max_bytes=1, timeout_s=5))[0].seq, timeout_s=5)
    await put(spool, "a")
    assert await held(spool) == ["a"]


async def test_only_so_many_events_and_then_room_again(tmp_path):
    async with Spool(policy(tmp_path, max_events=2)) as spool:
        await put(spool, "a", "b")
        assert spool.full
        with pytest.raises(SpoolFull, match="2 events"):
            await put(spool, "c")
        assert spool.fault is None
        first = await spool.first(1, max_bytes=10**6, timeout_s=5)
        await spool.remove(up_to=first[0].seq, timeout_s=5)
        await put(spool, "c")
        assert await held(spool) == ["b", "c"]


async def test_only_so_many_bytes(tmp_path):
    async with Spool(policy(tmp_path, max_bytes=2000)) as spool:
        await spool.put(entry("a", value=b"x" * 1500), timeout_s=5)
        with pytest.raises(SpoolFull, match="2000"):
            await spool.put(entry("b", value=b"x" * 500), timeout_s=5)
        await spool.put(entry("c"), timeout_s=5)
        assert await held(spool) == ["a", "c"]


async def test_one_too_many_does_not_harm_those_beside_it(tmp_path):
    async with Spool(policy(tmp_path, max_events=5)) as spool:
        results = await asyncio.gather(*(put(spool, f"e{i}") for i in range(9)), return_exceptions=True)
        assert sum(isinstance(result, SpoolFull) for result in results) == 4
        assert len(await held(spool)) == 5


async def test_a_batch_is_bounded_by_number_and_bytes_but_never_empty(spool):
    for name in "abcd":
        await spool.put(entry(name, value=b"x" * 1000), timeout_s=5)
    assert len(await spool.first(3, max_bytes=10**6, timeout_s=5)) == 3
    assert len(await spool.first(10, max_bytes=2600, timeout_s=5)) == 2
    assert len(await spool.first(10, max_bytes=1, timeout_s=5)) == 1


async def test_many_requests_share_one_commit(spool, monkeypatch):
    commits = []
    original = Spool._commit

    def counting(self, group):
        commits.append(len(group))
        time.sleep(0.01)  # as long as a slow disk takes
        return original(self, group)

    monkeypatch.setattr(Spool, "_commit", counting)
    await asyncio.gather(*(put(spool, f"e{i}") for i in range(200)))
    assert sum(commits) == 200
    assert len(commits) < 20


async def test_a_refused_record_is_kept_but_no_longer_in_the_way(spool, tmp_path):
    await put(spool, "bad", "good")
    await spool.refuse((await spool.first(1, max_bytes=1, timeout_s=5))[0].seq, timeout_s=5)
    assert await held(spool) == ["good"]
    assert (spool.contents.waiting, spool.contents.refused) == (1, 1)
    await spool.remove(up_to=10**6, timeout_s=5)
    assert (spool.contents.waiting, spool.contents.refused) == (0, 1)


async def test_a_damaged_file_is_set_aside_and_counted(tmp_path):
    where = policy(tmp_path)
    async with Spool(where) as spool:
        await asyncio.gather(*(put(spool, f"e{i}") for i in range(200)))
    raw = bytearray(where.path.read_bytes())
    raw[4096:] = os.urandom(len(raw) - 4096)
    where.path.write_bytes(raw)
    before = REGISTRY.get_sample_value("posta_spool_damaged_total")
    async with Spool(where) as spool:
        assert spool.depth == 0
        await put(spool, "new")
        assert await held(spool) == ["new"]
    (aside,) = where.path.parent.glob("spool.sqlite3.damaged-*")
    assert aside.read_bytes() == bytes(raw)
    assert REGISTRY.get_sample_value("posta_spool_damaged_total") == before + 1


async def test_a_file_that_never_was_a_database_is_set_aside_too(tmp_path):
    where = policy(tmp_path)
    where.path.parent.mkdir(parents=True)
    where.path.write_bytes(b"not a database" * 1000)
    async with Spool(where) as spool:
        await put(spool, "a")
    assert list(where.path.parent.glob("spool.sqlite3.damaged-*"))


async def test_a_second_process_is_refused_at_start(spool, tmp_path, monkeypatch):
    monkeypatch.setattr("ingress.spool_file._BUSY_S", 0.05)
    with pytest.raises(ConfigurationError, match="in use by another process"):
        SpoolFile.open(policy(tmp_path))
    await put(spool, "a")


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "s").write_text("a file where the folder belongs")
    with pytest.raises(ConfigurationError, match=r"POSTA_STATE_DIR: cannot make .*/s"):
        async with Spool(policy(tmp_path)):
            pass


async def test_nobody_else_may_read_the_file(spool, tmp_path):
    await put(spool, "a")
    where = policy(tmp_path).path
    assert stat.S_IMODE(where.stat().st_mode) == 0o600
    assert stat.S_IMODE(where.with_name(where.name + "-wal").stat().st_mode) == 0o600
    assert stat.S_IMODE(where.parent.stat().st_mode) == 0o700


async def test_a_full_disk_refuses_new_events_and_keeps_the_old_ones(spool):
    await put(spool, "a")
    assert spool._file is not None
    pages = spool._file._connection.execute("PRAGMA page_count").fetchone()[0]
    spool._file._connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()
    with pytest.raises(SpoolFull, match=r"disk .* is full"):
        await spool.put(entry("big", value=b"x" * 100_000), timeout_s=5)
    assert spool.fault is not None
    spool._file._connection.execute("PRAGMA max_page_count = 100000").fetchone()
    assert await held(spool) == ["a"]
    await put(spool, "b")
    assert spool.fault is None
    assert await held(spool) == ["a", "b"]


async def test_a_file_that_fails_is_opened_anew(spool):
    await put(spool, "a")
    assert spool._file is not None
    spool._file._connection.close()
    with pytest.raises(SpoolUnusable):
        await put(spool, "b")
    assert spool.fault is not None
    await put(spool, "c")
    assert spool.fault is None
    assert await held(spool) == ["a", "c"]


async def test_a_disk_that_hangs_costs_a_bounded_time(spool, monkeypatch):
    original = SpoolFile.put

    def hanging(self, record, *, now):
        time.sleep(0.2)
        original(self, record, now=now)

    monkeypatch.setattr(SpoolFile, "put", hanging)
    waiting = [asyncio.create_task(spool.put(entry(name), timeout_s=0.05)) for name in ("a", "b")]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, SpoolUnusable) for result in results)
    monkeypatch.undo()
    # The first was being written when its request gave up; those behind it were never begun.
    assert set(await held(spool)) <= {"a", "b"}
    assert spool.depth == len(await held(spool))


async def test_the_oldest_event_is_known(spool):
    assert spool.contents.oldest_at is None
    before = time.time()
    await put(spool, "a", "b")
    oldest = spool.contents.oldest_at
    assert oldest is not None
    assert before <= oldest <= time.time()
    await spool.remove(up_to=(await spool.first(1, max_bytes=1, timeout_s=5))[0].seq, timeout_s=5)
    assert spool.contents.oldest_at is not None
    assert spool.contents.oldest_at >= oldest


@pytest.mark.slow
async def test_an_empty_spool_gives_its_space_back(tmp_path):
    where = policy(tmp_path, max_bytes=10**8)
    async with Spool(where) as spool:
        for i in range(120):
            await spool.put(entry(f"e{i}", value=b"x" * 100_000), timeout_s=5)
        grown = where.path.stat().st_size + where.path.with_name("spool.sqlite3-wal").stat().st_size
        assert grown > 10_000_000
        await spool.remove(up_to=10**6, timeout_s=5)
        assert await held(spool) == []
        assert where.path.stat().st_size < 100_000


def test_every_commit_is_synced_to_the_disk(tmp_path):
    file = SpoolFile.open(policy(tmp_path))
    pragma = {name: file._connection.execute(f"PRAGMA {name}").fetchone()[0]
              for name in ("journal_mode", "synchronous", "locking_mode")}  # fmt: skip
    file.close()
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "locking_mode": "exclusive"}


step = st.one_of(
    st.tuples(st.just("put"), st.integers(0, 8)),
    st.tuples(st.just("take"), st.integers(1, 4)),
    st.tuples(st.just("reopen"), st.just(0)),
    st.tuples(st.just("crash"), st.just(0)),
)


@given(st.lists(step, max_size=25))
@settings(max_examples=25, deadline=None)
def test_it_behaves_as_a_bounded_queue_without_repetitions(steps):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        where = policy(Path(folder), max_events=5)
        file = SpoolFile.open(where)
        model: list[str] = []
        for what, number in steps:
            if what == "put":
                _put_both(file, model, f"e{number}", bound=5)
            elif what == "take":
                with file.transaction():
                    batch = file.first(number, max_bytes=10**9)
                    if batch:
                        file.remove(up_to=batch[-1].seq)
                assert [record.event_id for record in batch] == model[:number]
                del model[:number]
            else:
                file = _reopened(file, where, cleanly=what == "reopen")
            assert file.contents.waiting == len(model)
            assert (file.contents.bytes > 0) is (len(model) > 0)
        with file.transaction():
            assert [record.event_id for record in file.first(ALL, max_bytes=10**9)] == model
        file.close()


def _put_both(file, model, name, *, bound):
    try:
        with file.transaction():
            file.put(entry(name), now=1.0)
    except SpoolFull:
        assert len(model) == bound
        assert name not in model
    else:
        if name not in model:
            model.append(name)


def _reopened(file, where, *, cleanly):
    """As after a restart; a crash leaves an open transaction and an unfinished log behind."""
    if not cleanly:
        file._connection.execute("BEGIN IMMEDIATE")
        file.put(entry("never committed"), now=2.0) if file.contents.waiting < 5 else None
        copy = {p: p.read_bytes() for p in where.path.parent.iterdir()}
        file.close()
        for path, content in copy.items():
            path.write_bytes(content)
    else:
        file.close()
    return SpoolFile.open(where)


def test_the_file_is_plain_sqlite_that_an_operator_can_read(tmp_path):
    file = SpoolFile.open(policy(tmp_path))
    with file.transaction():
        file.put(entry("a"), now=1.0)
    file.close()
    connection = sqlite3.connect(policy(tmp_path).path)
    rows = connection.execute("SELECT event_id, topic FROM spool").fetchall()
    connection.close()
    assert rows == [("a", "t")]

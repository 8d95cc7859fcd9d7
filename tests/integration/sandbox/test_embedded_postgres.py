"""A real PostgreSQL: what survives, who may connect, what it refuses."""

import os
import signal
import socket
import stat

import asyncpg
import psutil
import pytest

from posta_sandbox.embedded.errors import HomeUnusable, PortInUse

pytestmark = pytest.mark.integration


async def query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_rows_port_and_password_survive_a_stop_and_a_kill(own_postgres):
    postgres = own_postgres()
    await postgres.start()
    url = postgres.url
    await query(url, "CREATE TABLE kept (what text)")
    await query(url, "INSERT INTO kept VALUES ('before the stop')")
    await postgres.stop()
    await postgres.start()
    await query(url, "INSERT INTO kept VALUES ('before the kill')")
    postgres.signal(signal.SIGKILL)
    assert await postgres.wait() == -signal.SIGKILL
    await postgres.start()
    assert postgres.url == url
    assert await query(url, "SELECT count(*) FROM kept") == 2


async def test_an_open_connection_does_not_hold_up_the_stop_or_the_next_start(own_postgres):
    postgres = own_postgres()
    await postgres.start()
    connection = await asyncpg.connect(postgres.url)
    await postgres.stop(timeout_s=5)
    connection.terminate()
    await postgres.start()
    connection = await asyncpg.connect(postgres.url)
    postgres.signal(signal.SIGKILL)
    await postgres.wait()
    connection.terminate()
    await postgres.start()
    assert await query(postgres.url, "SELECT 1") == 1


async def test_a_frozen_server_leaves_no_process_behind_when_stopped(own_postgres):
    postgres = own_postgres()
    await postgres.start()
    parts = psutil.Process(postgres.pid).children(recursive=True)
    assert parts
    postgres.signal(signal.SIGSTOP)
    await postgres.stop(timeout_s=5)
    assert psutil.wait_procs(parts, timeout=5)[1] == []


async def test_a_wrong_password_is_refused_and_the_right_one_is_private(own_postgres):
    postgres = own_postgres()
    await postgres.start()
    password = postgres.home / "password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    secret = password.read_text()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await query(postgres.url.replace(secret, "guess"), "SELECT 1")
    assert secret not in postgres.log.read_text()
    assert secret not in " ".join(psutil.Process(postgres.pid).cmdline())


async def test_it_keeps_what_it_promises_and_never_runs_as_root(own_postgres):
    postgres = own_postgres()
    await postgres.start()
    assert await query(postgres.url, "SHOW fsync") == "on"
    assert await query(postgres.url, "SHOW listen_addresses") == "127.0.0.1"
    assert psutil.Process(postgres.pid).uids().effective != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that nobody enters")
async def test_a_home_below_a_closed_folder_works_and_stays_closed(own_postgres, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    postgres = own_postgres(name="closed/postgres")
    await postgres.start()
    assert await query(postgres.url, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


async def test_a_pid_file_that_names_a_stranger_does_not_block_the_start(own_postgres):
    postgres = own_postgres()
    await postgres.start()
    pid_file = postgres.home / "postgres" / "data" / "postmaster.pid"
    note = pid_file.read_text().splitlines()
    postgres.signal(signal.SIGKILL)
    await postgres.wait()
    pid_file.write_text("\n".join([str(os.getpid()), *note[1:]]) + "\n")
    await postgres.start()
    assert await query(postgres.url, "SELECT 1") == 1


async def test_data_of_another_version_is_refused_by_name(own_postgres):
    postgres = own_postgres()
    await postgres.start()
    await postgres.stop()
    (postgres.home / "postgres" / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(HomeUnusable, match="version 12"):
        await postgres.start()


async def test_a_port_in_use_that_was_asked_for_is_named(own_postgres):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port} .* in use"):
            await own_postgres(port=port).start()

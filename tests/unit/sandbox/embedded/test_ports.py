import os
import socket

import pytest

from posta_sandbox.embedded.errors import PortInUse
from posta_sandbox.embedded.ports import PortBook, free_port, is_free


@pytest.fixture
def taken():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_someone_listens_on_is_not_free(taken):
    assert not is_free(taken)
    assert is_free(free_port())


def test_a_chosen_port_is_remembered(tmp_path):
    port = PortBook(tmp_path).choose("kafka")
    assert PortBook(tmp_path).choose("kafka") == port


def test_two_names_of_one_home_get_two_ports(tmp_path):
    book = PortBook(tmp_path)
    assert book.choose("kafka") != book.choose("kafka-controller")


def test_a_remembered_port_that_was_taken_meanwhile_is_replaced(tmp_path, taken):
    book = PortBook(tmp_path)
    (tmp_path / "ports.json").write_text(f'{{"kafka": {taken}}}')
    assert book.choose("kafka") != taken


def test_a_port_asked_for_by_number_must_be_free(tmp_path, taken):
    with pytest.raises(PortInUse, match=f"port {taken} .* in use"):
        PortBook(tmp_path).choose("kafka", taken)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"kafka": "no number"}'])
def test_a_damaged_book_is_begun_anew(tmp_path, content):
    (tmp_path / "ports.json").write_text(content)
    assert PortBook(tmp_path).choose("kafka") > 0


def test_ports_are_drawn_from_below_the_kernels_own_range():
    assert all(free_port() < 32_768 for _ in range(20))


def test_a_port_given_out_a_moment_ago_is_not_given_out_again(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    drawn = iter([20_001, 20_001, 20_002])
    monkeypatch.setattr("random.randrange", lambda _start, _end: next(drawn))
    monkeypatch.setattr("posta_sandbox.embedded.ports.is_free", lambda _port: True)
    assert [free_port(), free_port()] == [20_001, 20_002]


def test_a_port_that_was_given_out_long_ago_is_given_out_again(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("random.randrange", lambda _start, _end: 20_001)
    monkeypatch.setattr("posta_sandbox.embedded.ports.is_free", lambda _port: True)
    assert free_port() == 20_001
    (mark,) = tmp_path.glob("posta-ports-*/20001")
    os.utime(mark, (0, 0))
    assert free_port() == 20_001

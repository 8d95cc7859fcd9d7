"""`python -m posta.setup`: what it says and how it ends, without a server."""

import pytest

from posta import setup
from posta.errors import Transient, Unavailable
from posta.kafka.topics import Change, ChangeKind


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def answering(result):
    async def call(*_args):
        if isinstance(result, Exception):
            raise result
        return result

    return call


def test_a_wrong_variable_ends_it_with_78_before_anything_is_asked(monkeypatch, capsys):
    monkeypatch.setenv("POSTA_KAFKA__PARTITIONS", "none")
    monkeypatch.setattr(setup, "apply", answering(AssertionError("Kafka was asked")))
    assert setup.main() == 78
    said = capsys.readouterr()
    assert said.err.startswith("setup: configuration error: environment: POSTA_KAFKA__PARTITIONS: ")
    assert said.out == ""


def test_a_password_in_a_wrong_database_url_is_not_quoted(monkeypatch, capsys):
    monkeypatch.setenv("POSTA_DATABASE__URL", "postgresql://posta:hunter2#@db:5432/posta")
    assert setup.main() == 78
    said = capsys.readouterr().err
    assert "POSTA_DATABASE__URL" in said
    assert "hunter2" not in said


def test_sasl_without_a_password_is_a_wrong_configuration(monkeypatch, capsys):
    monkeypatch.setenv("POSTA_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    assert setup.main() == 78
    assert "POSTA_KAFKA__SASL_PASSWORD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("topics", "migrations"),
    [
        pytest.param(Transient("Kafka at k:1 does not answer"), [], id="Kafka"),
        pytest.param([], Unavailable("postgres", "refused"), id="PostgreSQL"),
    ],
)
def test_a_server_that_is_away_ends_it_with_1_so_that_it_is_worth_repeating(
    monkeypatch, capsys, topics, migrations
):
    monkeypatch.setattr(setup, "apply", answering(topics))
    monkeypatch.setattr(setup, "migrate", answering(migrations))
    assert setup.main() == 1
    assert capsys.readouterr().err.startswith("setup: ")


def test_it_says_what_it_did(monkeypatch, capsys):
    made = Change(kind=ChangeKind.CREATE, topic="replies.ready", detail="4 partitions")
    monkeypatch.setattr(setup, "apply", answering([made]))
    monkeypatch.setattr(setup, "migrate", answering(["0001_spine"]))
    assert setup.main() == 0
    assert capsys.readouterr().out == (
        "topic replies.ready: create: 4 partitions\nmigration 0001_spine: applied\n"
    )

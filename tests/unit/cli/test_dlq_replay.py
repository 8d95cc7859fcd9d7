"""`posta dlq replay`: what it asks of dlq-admin, and that it asks before money is spent."""

import httpx
import pytest
from typer.testing import CliRunner

from posta_cli.commands import dlq
from posta_cli.errors import CommandError

RUNNING = {"services": {"dlq-admin": {"url": "http://dlq"}}, "credentials": {"admin_key": "k"}}


@pytest.fixture
def asked(monkeypatch):
    """The requests that were sent."""
    sent = []

    def post(url, *, json, headers, **_given):
        sent.append((url, json))
        return httpx.Response(200, json={"state": "replayed"})

    monkeypatch.setattr(dlq.contact, "ask", lambda *_given: {"status": RUNNING})
    monkeypatch.setattr(dlq.httpx, "post", post)
    return sent


def run(*words, answers=""):
    return CliRunner().invoke(dlq.app, ["replay", *words], input=answers)


def test_a_plain_replay_asks_nothing_and_wants_no_new_answer(asked):
    said = run("7", "--reason", "it is back")
    assert said.output == "Dead letter 7 is replayed.\n"
    url = "http://dlq/v1/dead-letters/7/replay"
    assert asked == [(url, {"reason": "it is back", "from_scratch": False})]


@pytest.mark.parametrize(("answers", "sent"), [("y\n", 1), ("n\n", 0), ("", 0)])
def test_from_scratch_says_that_it_costs_money_first(asked, answers, sent):
    said = run("7", "--from-scratch", answers=answers)
    assert "paid for again" in said.output
    assert len(asked) == sent


def test_with_yes_scripts_are_not_asked(asked):
    assert "paid" not in run("7", "--from-scratch", "--yes").output
    assert asked[0][1]["from_scratch"] is True


def test_a_refusal_says_why(asked, monkeypatch):
    problem = {"title": "Only questions can be answered from scratch", "detail": "Replay this without."}
    monkeypatch.setattr(dlq.httpx, "post", lambda *_a, **_k: httpx.Response(422, json=problem))
    said = run("7", "--from-scratch", "--yes")
    assert isinstance(said.exception, CommandError)
    assert "Only questions" in str(said.exception)

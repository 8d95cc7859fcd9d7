"""`posta dlq replay`: what it asks of dlq-admin, and that it asks before money is spent."""

import httpx
import pytest
from typer.testing import CliRunner

from posta_cli import service_call
from posta_cli.commands import dlq
from posta_cli.errors import CommandError

RUNNING = {"services": {"dlq-admin": {"url": "http://dlq"}}, "credentials": {"admin_key": "k"}}


@pytest.fixture
def asked(monkeypatch):
    """The requests that were sent."""
    sent = []

    def post(method, url, *, json, headers, **_given):
        sent.append((url, json))
        assert (method, headers) == ("POST", {"authorization": "Bearer k"})
        return httpx.Response(200, json={"state": "replayed"})

    monkeypatch.setattr(service_call.contact, "ask", lambda *_given: {"status": RUNNING})
    monkeypatch.setattr(service_call.httpx, "request", post)
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
    monkeypatch.setattr(service_call.httpx, "request", lambda *_a, **_k: httpx.Response(422, json=problem))
    said = run("7", "--from-scratch", "--yes")
    assert isinstance(said.exception, CommandError)
    assert "Only questions" in str(said.exception)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(httpx.ConnectError("refused"), "dlq-admin does not answer", id="nobody there"),
        pytest.param(httpx.Response(502, text="<html>"), "dlq-admin does not answer", id="no JSON"),
        pytest.param(httpx.Response(200, json=[]), "no reason given", id="no object"),
    ],
)
def test_a_service_that_does_not_answer_as_it_should_is_named(asked, monkeypatch, answer, says):
    def request(*_args, **_given):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(service_call.httpx, "request", request)
    said = run("7")
    assert isinstance(said.exception, CommandError)
    assert says in str(said.exception)


def test_a_system_without_the_service_says_so(asked, monkeypatch):
    running = {"services": {}, "credentials": {"admin_key": "k"}}
    monkeypatch.setattr(service_call.contact, "ask", lambda *_given: {"status": running})
    assert "runs no dlq-admin" in str(run("7").exception)

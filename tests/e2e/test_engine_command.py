"""`posta engine` against a whole system: a pause holds every question back, a resume loses none."""

import json
import time

import httpx
import pytest
from support.running_system import answer_on_discord, ask_on_discord

pytestmark = pytest.mark.e2e


def statuses(system):
    answer = system.posta("engine", "status", "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_a_paused_worker_answers_nothing_and_a_resumed_one_answers_all(posta):
    system, document = posta.system, posta.system.status
    paused = system.posta("engine", "pause", "llm-worker", "--reason", "changing the model")
    try:
        assert paused.returncode == 0, paused.stderr
        assert "llm-worker: paused by operator: changing the model" in paused.stdout
        asked = [ask_on_discord(document, f"Are you there, {number}?") for number in range(3)]
        time.sleep(3)
        found = statuses(system)
        assert set(found) == {"llm-worker", "notifier", "dlq-admin"}
        assert [hold["why"] for hold in found["llm-worker"]["holds"]] == ["operator: changing the model"]
        assert found["llm-worker"]["held"] == 3
        assert found["notifier"]["holds"] == []
        assert all(one["joined"] for one in found.values())
        assert (found["dlq-admin"]["flood"]["state"], found["notifier"]["flood"]["state"]) == (
            "off",
            "closed",
        )
        for one in asked:
            address = f"{document['sandbox']['url']}/api/interactions/{one}"
            assert not httpx.get(address, timeout=10).json()["edits"]
    finally:
        resumed = system.posta("engine", "resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "paused" not in resumed.stdout
    for one in asked:
        assert answer_on_discord(document, one)["edits"]


def test_it_says_which_services_have_an_engine(posta):
    refused = posta.system.posta("engine", "pause", "ingress", "--reason", "curious")
    assert refused.returncode == 1
    assert "ingress has no engine in this system." in refused.stderr
    assert "llm-worker, notifier, dlq-admin" in refused.stderr


def test_without_a_system_it_says_so(posta, tmp_path):
    elsewhere = type(posta.system)(tmp_path / "nothing")
    answer = elsewhere.posta("engine", "status")
    assert answer.returncode == 3
    assert "No Posta system runs" in answer.stderr

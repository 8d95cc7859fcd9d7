"""The life of an interaction, and the commands that Discord knows, on the system that `posta up` starts."""

import uuid

import pytest
from support.system import Posta, eventually

pytestmark = pytest.mark.e2e


def life_of(posta: Posta, id_: str) -> dict:
    answer = posta.http.get(f"{posta.url('ingress')}/v1/interactions/{id_}", headers=posta.key("admin"))
    return answer.json()


def test_a_question_can_be_followed_from_pending_to_completed(posta):
    asked = posta.ask(f"What is a courier? {uuid.uuid4()}", user="life", channel="general")
    found = eventually(
        lambda: (life := life_of(posta, asked["id"])).get("state") == "COMPLETED" and life,
        within_s=60,
        why=lambda: f"{life_of(posta, asked['id'])}{posta.logs()}",
    )
    assert found["command"] == "ask"
    assert found["attempts"] >= 1
    assert found["accepted_at"] <= found["started_at"] <= found["finished_at"]
    assert len(found["trace_id"]) == 32


def test_what_a_form_reports_reaches_the_operators_channel_and_completes(posta):
    marker = f"disk full {uuid.uuid4().hex[:8]}"
    body = {
        "type": "modal",
        "command": "report",
        "custom_id": "report",
        "options": {"summary": marker, "details": ""},
        "user": "life",
    }
    asked = posta.http.post(f"{posta.sandbox}/api/interactions", json=body).json()
    assert asked["initial"]["type"] == 4
    eventually(
        lambda: marker in posta.http.get(f"{posta.sandbox}/api/messages").text, within_s=60, why=posta.logs
    )
    eventually(
        lambda: life_of(posta, asked["id"]).get("state") == "COMPLETED",
        within_s=60,
        why=lambda: f"{life_of(posta, asked['id'])}{posta.logs('notifier')}",
    )


def test_the_sandbox_knows_the_commands_of_the_rules_and_registering_again_changes_nothing(posta):
    commands = posta.http.get(f"{posta.sandbox}/api/commands").json()
    assert {"ask", "docs", "help", "report", "ops"} <= {command["name"] for command in commands}
    again = posta.system.posta("discord", "register", "--dry-run")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Discord knows every command" in again.stdout
    one = posta.system.posta("discord", "register", "--guild", "1100000000000000001", "--dry-run")
    assert one.returncode == 2, one.stderr
    assert "+ /ask" in one.stdout

"""What publishers, other systems and bots get from the system that `posta up` starts."""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from support.system import Posta, eventually

from posta_client import Options, Publisher, Settings, State

pytestmark = pytest.mark.e2e


def fate(posta: Posta, event_id: str, *, method: str = "GET"):
    return posta.http.request(
        method, f"{posta.url('ingress')}/v1/events/{event_id}", headers=posta.key("scripts")
    )


def until_status(posta: Posta, event_id: str, status: str, within_s: float = 60):
    return eventually(
        lambda: (shown := fate(posta, event_id).json())["status"] == status and shown,
        within_s=within_s,
        why=lambda: fate(posta, event_id).text + posta.logs("notifier"),
    )


def shown_about(posta: Posta, marker: str) -> list[str]:
    return [text for message in posta.messages() if marker in (text := json.dumps(message))]


def test_a_publisher_can_follow_an_event_until_it_is_sent(posta):
    marker = uuid.uuid4().hex
    event = {"type": "deploy.done", "data": {"title": marker}}
    first = posta.publish(event, **{"idempotency-key": marker})
    again = posta.publish(event, **{"idempotency-key": marker})
    assert first.status_code == 202, first.text
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    other = posta.publish(event | {"subject": "other"}, **{"idempotency-key": marker})
    assert other.status_code == 422
    shown = until_status(posta, first.json()["id"], "SENT")
    assert (shown["publisher"], shown["attempts"]) == ("scripts", 1)
    assert shown["trace_id"]
    assert len(shown_about(posta, marker)) == 1
    assert fate(posta, first.json()["id"], method="DELETE").status_code == 409


def test_an_event_is_shown_at_its_time_and_a_cancelled_one_never(posta):
    marker, at = uuid.uuid4().hex, datetime.now(UTC) + timedelta(seconds=8)
    wanted, unwanted = (
        posta.publish(
            {"type": "x", "data": {"title": f"{marker} {word}"}, "deliver_at": at.isoformat()}
        ).json()["id"]
        for word in ("wanted", "unwanted")
    )
    cancelled = fate(posta, unwanted, method="DELETE")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "CANCELLED")
    assert fate(posta, wanted).json()["status"] == "SCHEDULED"
    shown = until_status(posta, wanted, "SENT")
    assert datetime.fromisoformat(shown["updated_at"]) >= at
    (message,) = shown_about(posta, marker)
    assert f"{marker} wanted" in message
    assert fate(posta, unwanted).json()["status"] == "CANCELLED"


def test_alertmanager_and_a_bot_that_polls_get_through(posta):
    marker = uuid.uuid4().hex
    alert = {"status": "firing", "labels": {"alertname": marker}, "startsAt": "2026-01-02T03:04:05Z"}
    received = posta.http.post(
        f"{posta.url('ingress')}/v1/receivers/alertmanager",
        json={"version": "4", "alerts": [alert]},
        headers=posta.key("scripts"),
    )
    assert received.status_code == 202, received.text
    eventually(lambda: shown_about(posta, marker), why=lambda: posta.logs("notifier"))

    event_id = posta.publish({"type": "x", "destination": "bot", "data": {"m": marker}}).json()["id"]
    until_status(posta, event_id, "WAITING")
    pull, admin = f"{posta.url('ingress')}/discord", posta.key("admin")
    assert posta.http.get(f"{pull}/health").json()["status"] == "ok"
    lent = posta.http.get(f"{pull}/events", params={"limit": 100}, headers=admin).json()["events"]
    (mine,) = [one for one in lent if one["data"] == {"m": marker}]
    done = posta.http.post(
        f"{pull}/events/{mine['id']}/processed", json={"lease": mine["lease"]}, headers=admin
    )
    assert done.json() == {"id": event_id, "status": "processed"}
    assert fate(posta, event_id).json()["status"] == "SENT"


def test_a_fresh_key_works_at_once_through_the_publisher_sdk_and_a_revoked_one_no_more(posta, tmp_path):
    made = keys(posta, "create", "sdk", "--destination", "ops", "--source", "/sdk/*")
    secret, key_id = made.split()[0], made.split("This is ")[1].split(",")[0]
    marker = uuid.uuid4().hex
    settings = Settings(
        url=posta.url("ingress"), api_key=secret, source="/sdk/1", spool=tmp_path / "s.sqlite3", budget_s=20
    )
    with Publisher(settings) as publisher:
        receipt = publisher.publish("backup.done", {"title": marker})
        assert receipt.state is State.SENT, receipt
        assert publisher.publish("x", None, Options(source="/other")).state is State.REFUSED
        eventually(lambda: shown_about(posta, marker), why=lambda: posta.logs("notifier"))
        keys(posta, "revoke", key_id)
        deadline = time.monotonic() + 60
        while publisher.publish("x").state is State.SENT:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert publisher.contents().waiting == 1


def keys(posta: Posta, *arguments: str) -> str:
    done = posta.system.posta("keys", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

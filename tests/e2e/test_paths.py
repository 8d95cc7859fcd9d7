"""Every path through every topic, on the system that `posta up` starts."""

import json
import re
import uuid

import httpx
import pytest
from support.system import Posta, eventually

from posta_sandbox.keys import webhook_url

pytestmark = pytest.mark.e2e


def answered(posta: Posta, id_: str, within_s: float = 30):
    return eventually(
        lambda: (state := posta.interaction(id_))["state"] == "answered" and state,
        within_s=within_s,
        why=lambda: json.dumps(posta.interaction(id_)) + posta.logs(),
    )


def llm_calls_about(posta: Posta, text: str) -> list[dict]:
    return [call for call in posta.calls("llm") if text in json.dumps(call)]


def test_a_question_on_discord_is_acknowledged_in_time_and_answered_once(posta):
    question = f"What is a relay station? {uuid.uuid4()}"
    asked = posta.ask(question)
    assert asked["initial"]["status"] == 200
    assert asked["initial"]["type"] == 5
    assert asked["initial"]["ms"] < 3000
    done = answered(posta, asked["id"])
    (edit,) = done["edits"]
    assert question in edit["content"]
    assert done["followups"] == []


def test_a_persons_questions_are_answered_in_the_order_they_were_asked(posta):
    marker = uuid.uuid4().hex[:8]
    ids = [posta.ask(f"{marker} number {n}?", user="kim", channel="general")["id"] for n in range(5)]
    times = [answered(posta, id_)["edits"][0]["at"] for id_ in ids]
    assert times == sorted(times)


def test_a_mail_is_answered_in_its_thread_and_an_automatic_one_never(posta):
    customer = f"ana-{uuid.uuid4().hex[:6]}@example.test"
    sent = posta.write_mail(**{"from": customer, "subject": "Hola", "text": "¿Qué era una posta de correos?"})
    posta.write_mail(
        **{"from": customer, "subject": "Automatic reply: away", "text": "I am away",
           "headers": {"Auto-Submitted": "auto-replied"}}
    )  # fmt: skip
    (reply,) = eventually(lambda: posta.mail_to(customer), why=posta.logs)
    assert "¿Qué era una posta de correos?" in reply["text"]
    assert reply["subject"] == "Re: Hola"
    assert reply["in_reply_to"] == sent["message_id"]
    assert sent["message_id"] in reply["references"]
    assert reply["auto_submitted"] == "auto-replied"
    assert reply["from"] == sent["to"]
    second = posta.write_mail(
        **{"from": customer, "subject": "Re: Hola", "text": "Gracias, ¿y el otro?",
           "in_reply_to": reply["message_id"], "references": f"{sent['message_id']} {reply['message_id']}"}
    )  # fmt: skip
    replies = eventually(lambda: len(found := posta.mail_to(customer)) == 2 and found, why=posta.logs)
    latest = next(mail for mail in replies if mail["in_reply_to"] == second["message_id"])
    assert sent["message_id"] in latest["references"], "the whole thread is named"


@pytest.mark.parametrize("form", ["plain", "structured", "binary"])
def test_an_event_from_a_script_becomes_an_embed_at_its_destination(posta, form):
    title = f"Backup failed {uuid.uuid4().hex[:8]}"
    data = {"title": title, "host": "db-1", "severity": "error"}
    event = {"type": "backup.failed", "source": "/cron", "data": data}
    url, key = f"{posta.url('ingress')}/v1/events", posta.key("scripts")
    if form == "plain":
        answer = posta.publish({**event, "destination": "ops"})
    elif form == "structured":
        event |= {"specversion": "1.0", "id": uuid.uuid4().hex, "destination": "ops"}
        answer = httpx.post(
            url, content=json.dumps(event), headers={**key, "content-type": "application/cloudevents+json"}
        )
    else:
        attributes = {"ce-specversion": "1.0", "ce-id": uuid.uuid4().hex, "ce-type": "backup.failed"}
        answer = httpx.post(
            url, json=data, headers={**key, **attributes, "ce-source": "/cron", "ce-destination": "ops"}
        )
    assert answer.status_code == 202, answer.text
    assert answer.json()["id"]
    found = eventually(lambda: [m for m in posta.messages() if title in json.dumps(m)], why=posta.logs)
    assert len(found) == 1
    (embed,) = found[0]["embeds"]
    assert embed["title"] == title
    assert "db-1" in json.dumps(embed)


def test_the_same_idempotency_key_publishes_once(posta):
    title = f"Once {uuid.uuid4().hex[:8]}"
    event = {"type": "greeting.sent", "data": {"title": title}}
    answers = [posta.publish(event, **{"idempotency-key": title}) for _ in range(3)]
    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["id"] for a in answers}) == 1
    eventually(lambda: [m for m in posta.messages() if title in json.dumps(m)])
    marker = f"After {uuid.uuid4().hex[:8]}"
    posta.publish({"type": "greeting.sent", "data": {"title": marker}})
    eventually(lambda: [m for m in posta.messages() if marker in json.dumps(m)])
    assert len([m for m in posta.messages() if title in json.dumps(m)]) == 1


def test_a_transient_failure_rides_a_lane_and_the_person_is_answered_all_the_same(posta):
    question = f"Will this survive? {uuid.uuid4()}"
    posta.fault("llm", kind="5xx", status=503, count=2)
    asked = posta.ask(question)
    done = answered(posta, asked["id"], within_s=60)
    assert question in done["edits"][-1]["content"]


def test_a_permanent_failure_is_told_listed_replayed_and_answered_in_one_trace(posta):
    question = f"Can an admin fix this? {uuid.uuid4()}"
    posta.fault("llm", kind="5xx", status=400, count=1, match=question)
    asked = posta.ask(question, locale="es-ES")
    apology = answered(posta, asked["id"])["edits"][0]["content"]
    reference = re.search(r"[0-9A-F]{4}-[0-9A-F]{4}", apology)
    assert reference, f"the apology names a reference: {apology}"
    assert "Answer to" not in apology
    event_id = f"discord:{asked['id']}"
    (letter,) = eventually(
        lambda: [d for d in posta.dead_letters(group="llm-worker") if d["event_id"] == event_id],
        why=posta.logs,
    )
    assert letter["class"] == "permanent"
    assert letter["state"] == "open"
    url = f"{posta.url('dlq-admin')}/v1/dead-letters/{letter['id']}"
    detail = httpx.get(url, headers=posta.key("admin")).text
    assert question in detail
    token = next(c for c in posta.calls("discord") if asked["id"] in json.dumps(c))
    assert "token" not in token or "[" in json.dumps(token)
    replay = httpx.post(f"{url}/replay", headers=posta.key("admin"), json={"reason": "the key is fixed"})
    assert replay.status_code in {200, 202}, replay.text
    done = eventually(
        lambda: (s := posta.interaction(asked["id"])) and question in s["edits"][-1]["content"] and s,
        why=posta.logs,
    )
    assert len(done["edits"]) == 2, "the apology, then the answer in its place"
    trace = f"{posta.sandbox}/api/traces/{letter['trace_id']}"
    eventually(
        lambda: [
            s for s in posta.http.get(trace).json()["spans"] if s["attributes"].get("posta.redrive") == 1
        ],
        why=lambda: posta.http.get(trace).text,
    )
    assert httpx.get(url, headers=posta.key("admin")).json()["state"] == "replayed"


def test_one_trace_runs_from_the_button_press_through_every_hop_and_retry(posta):
    question = f"Follow me {uuid.uuid4()}"
    posta.fault("llm", kind="5xx", status=503, count=1, match=question)
    asked = posta.ask(question)
    answered(posta, asked["id"], within_s=60)

    def is_whole(spans):
        known = {span["span_id"] for span in spans} | {None}
        return all(span["parent_span_id"] in known for span in spans)

    def trace():
        for entry in posta.http.get(f"{posta.sandbox}/api/traces").json():
            if {"ingress", "llm-worker", "notifier"} <= set(entry["services"]):
                spans = posta.http.get(f"{posta.sandbox}/api/traces/{entry['trace_id']}").json()
                if asked["id"] in json.dumps(spans) and is_whole(spans["spans"]):
                    return entry["trace_id"], spans
        return None

    trace_id, found = eventually(trace, within_s=15, why=posta.logs)
    spans = found["spans"]
    assert "process replies.ready" in {s["name"] for s in spans}
    first, second = sorted(
        (s for s in spans if s["service"] == "llm-worker" and s["kind"] == "consumer"),
        key=lambda s: s["attributes"]["posta.attempt"],
    )
    assert first["links"] == []
    assert [link["span_id"] for link in second["links"]] == [first["span_id"]], "linked to the attempt before"
    for service in ("llm-worker", "notifier"):
        assert trace_id in posta.logs(service), f"{service} logs the trace id"


def test_no_secret_appears_in_any_log_metric_or_trace(posta):
    asked = posta.ask(f"Keep this quiet {uuid.uuid4()}")
    answered(posta, asked["id"])
    posta.publish({"type": "greeting.sent", "data": {"title": "quiet"}})
    secrets = json.loads((posta.home / "secrets.json").read_text())
    seed = next(v for k, v in secrets.items() if "seed" in k)
    hidden = [
        webhook_url(posta.sandbox, seed, "ops").rsplit("/", 1)[1],
        *posta.status["credentials"].values(),
    ]
    texts = {f.name: f.read_text(errors="replace") for f in (posta.home / "logs").glob("*.log*")}
    texts["traces"] = posta.http.get(f"{posta.sandbox}/api/traces").text
    for entry in posta.http.get(f"{posta.sandbox}/api/traces").json()[:50]:
        texts["traces"] += posta.http.get(f"{posta.sandbox}/api/traces/{entry['trace_id']}").text
    for service in posta.status["services"]:
        texts[f"{service} metrics"] = httpx.get(f"{posta.url(service)}/metrics").text
    for name, text in texts.items():
        if name.startswith("supervisor"):
            continue  # the summary for the person who started it
        assert not [s for s in hidden if s in text], f"{name} holds a secret"


@pytest.mark.parametrize("service", ["ingress", "llm-worker", "email-poller", "notifier", "dlq-admin"])
def test_every_service_says_how_it_is(posta, service):
    base = posta.url(service)
    assert httpx.get(f"{base}/health/live").json() == {"status": "ok"}
    assert httpx.get(f"{base}/health/ready").json() == {"status": "ok"}
    metrics = httpx.get(f"{base}/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "posta_http_requests_total" in metrics.text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param({"signature": "missing"}, 401, id="no signature"),
        pytest.param({"signature": "malformed"}, 401, id="a signature that is no hex"),
        pytest.param({"signature": "bad"}, 401, id="a wrong signature"),
        pytest.param({"timestamp_offset_s": -600}, 401, id="ten minutes old"),
        pytest.param({"timestamp_offset_s": 600}, 401, id="ten minutes ahead"),
        # A kind that is newer than Posta: the person is told so.
        pytest.param({"type": 99}, 200, id="an unknown type"),
    ],
)
def test_bad_interactions_are_turned_away_and_nothing_else_happens(posta, change, status):
    before = len(posta.calls("llm"))
    asked = posta.ask(f"never {uuid.uuid4()}", **change)
    assert asked["initial"]["status"] == status, asked
    assert len(posta.calls("llm")) == before


def test_bad_events_are_turned_away_with_what_to_do(posta):
    url, key = f"{posta.url('ingress')}/v1/events", posta.key("scripts")
    assert httpx.post(url, json={}).status_code == 401
    assert httpx.post(url, json={}, headers={"authorization": "Bearer posta_wrong"}).status_code == 401
    assert httpx.post(url, json={}, headers=posta.key("admin")).status_code in {403, 422}
    missing = httpx.post(url, json={"data": {}}, headers=key)
    assert missing.status_code == 422
    assert "type" in missing.text
    unknown = httpx.post(url, json={"type": "a.b", "destination": "nowhere", "data": {}}, headers=key)
    assert unknown.status_code == 422
    assert "destination" in unknown.text
    assert unknown.headers["content-type"] == "application/problem+json"
    huge = httpx.post(url, content=b"x" * 300_000, headers=key)
    assert huge.status_code == 413

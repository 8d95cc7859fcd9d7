"""Webhooks of other systems as events: whose they are, what they say, and what is refused."""

import contextlib
import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from ingress.events.cloudevent import WrongFields
from ingress.receivers.alerts import alert_events
from ingress.receivers.arrival import NotUnderstood
from ingress.receivers.generic import mapped_events
from ingress.receivers.github import github_event, is_signed
from ingress.receivers.mapping import BadTemplate, Missing, Template
from ingress.receivers.rules import Json, Receivers, load_receivers
from posta.destinations import Destinations
from posta.domain.envelope import decode
from posta.errors import ConfigurationError

ALERT = {
    "status": "firing",
    "labels": {"alertname": "DiskFull", "instance": "db1", "severity": "critical"},
    "annotations": {"summary": "Disk almost full", "description": "3 % left", "runbook_url": "http://run"},
    "startsAt": "2026-01-02T03:04:05.678Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus/graph",
    "fingerprint": "c0ffee",
}
NOTIFICATION = {
    "version": "4", "groupKey": "g", "truncatedAlerts": 0, "status": "firing", "receiver": "posta",
    "groupLabels": {}, "commonLabels": {"job": "node"}, "commonAnnotations": {},
    "externalURL": "http://alertmanager", "alerts": [ALERT],
}  # fmt: skip
RESOLVED = ALERT | {"status": "resolved", "endsAt": "2026-01-02T04:00:00Z"}
PUSH = {
    "ref": "refs/heads/main", "compare": "https://github.com/o/r/compare/a...b",
    "repository": {"full_name": "o/r", "html_url": "https://github.com/o/r"},
    "pusher": {"name": "ana"}, "sender": {"login": "ana"},
    "commits": [{"id": f"{n}" * 40, "message": f"Commit {n}\n\nlong @everyone"} for n in range(7)],
}  # fmt: skip


def alerts(body, system="alertmanager"):
    return alert_events(body, system=system, destination=None)


# --- alerts --------------------------------------------------------------------------------------


def test_an_alert_says_what_is_wrong_where_and_since_when():
    (event,) = alerts(NOTIFICATION)
    assert (event.type, event.subject, event.source) == ("alert.firing", "DiskFull", "http://alertmanager")
    assert event.time == ALERT["startsAt"]
    assert event.data == {
        "title": "[FIRING] Disk almost full", "message": "3 % left", "severity": "critical",
        "labels": {"job": "node", "instance": "db1"}, "starts_at": ALERT["startsAt"], "receiver": "posta",
        "source": "http://prometheus/graph", "runbook": "http://run",
    }  # fmt: skip


def test_the_same_news_again_is_the_same_event_and_its_end_edits_its_message():
    (first,), (again,) = alerts(NOTIFICATION), alerts(NOTIFICATION | {"groupKey": "other"})
    (resolved,) = alerts(NOTIFICATION | {"alerts": [RESOLVED]})
    (later,) = alerts(NOTIFICATION | {"alerts": [ALERT | {"startsAt": "2026-01-09T00:00:00Z"}]})
    assert first.id == again.id
    assert len({first.id, resolved.id, later.id}) == 3
    assert first.thread_key == resolved.thread_key != later.thread_key
    assert (resolved.type, resolved.data["severity"], resolved.time) == (
        "alert.resolved", "resolved", "2026-01-02T04:00:00Z")  # fmt: skip


def test_grafana_adds_its_values_and_links():
    alert = ALERT | {"valueString": "[ A=3 ]", "silenceURL": "http://g/silence", "panelURL": "http://g/panel"}
    (event,) = alerts(NOTIFICATION | {"alerts": [alert], "orgId": 1, "state": "alerting"}, "grafana")
    assert (event.data["measured"], event.data["silence"], event.data["panel"]) == (
        "[ A=3 ]", "http://g/silence", "http://g/panel")  # fmt: skip


def test_alerts_without_a_fingerprint_are_told_apart_by_their_labels():
    bare = {"labels": {"alertname": "A", "n": "1"}}
    first, second = alerts({"alerts": [bare, {"labels": {"alertname": "A", "n": "2"}}]})
    assert first.id != second.id
    assert first.time is None


@pytest.mark.parametrize("body", [{}, {"alerts": "x"}, {"alerts": ["x"]}, {"alerts": [ALERT] * 101}])
def test_what_is_no_notification_is_said_so(body):
    with pytest.raises(NotUnderstood):
        alerts(body)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(spoilt=st.dictionaries(st.sampled_from([*ALERT, "alerts", "commonLabels"]), anything, max_size=4))
def test_no_nearly_right_notification_crashes_a_receiver(spoilt):
    for body in (NOTIFICATION | spoilt, NOTIFICATION | {"alerts": [ALERT | spoilt]}):
        with contextlib.suppress(NotUnderstood, WrongFields):
            assert all(event.type.startswith("alert.") for event in alerts(body))


# --- GitHub --------------------------------------------------------------------------------------


def test_githubs_own_example_of_a_signature_verifies():
    # From GitHub's documentation, "Validating webhook deliveries".
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert is_signed(b"Hello, World!", signature, b"It's a Secret to Everybody")
    for wrong in (None, "", "sha256=", signature.upper(), signature[:-1], "sha1=" + signature[7:], "é"):
        assert not is_signed(b"Hello, World!", wrong, b"It's a Secret to Everybody")


def told(name, body, **headers):
    return github_event(
        {"x-github-event": name, "x-github-delivery": "d-1", **headers}, body, destination="ops"
    )


def test_a_push_lists_its_commits():
    event = told("push", PUSH)
    assert (event.type, event.source, event.subject, event.id) == (
        "github.push", "https://github.com/o/r", "o/r", "d-1")  # fmt: skip
    assert event.data["title"] == "ana pushed 7 commits to main"
    assert event.data["message"].split("\n")[0] == "0000000 Commit 0"
    assert event.data["message"].split("\n")[-1] == "… 2 more"


@pytest.mark.parametrize(
    ("name", "body", "type_", "title"),
    [
        ("pull_request", {"action": "closed", "pull_request": {"number": 7, "title": "Fix", "merged": True}},
         "github.pull_request.closed", "Pull request #7 merged: Fix"),
        ("issues", {"action": "opened", "issue": {"number": 1, "title": "It\nbreaks"}},
         "github.issues.opened", "Issue #1 opened: It breaks"),
        ("release", {"action": "published", "release": {"name": "1.0"}},
         "github.release.published", "Release published: 1.0"),
        ("issue_comment",
         {"action": "created", "comment": {"body": "hi"}, "issue": {"number": 2, "title": "t"}},
         "github.issue_comment.created", "Comment on #2: t"),
        ("workflow_run", {"action": "completed", "workflow_run": {"name": "CI", "conclusion": "failure"}},
         "github.workflow_run.completed", "CI: failure"),
        ("star", {"action": "created"}, "github.star.created", "GitHub: star created"),
        ("push", {"commits": "x", "ref": 3, "repository": []}, "github.push",
         "Somebody pushed 0 commits to "),
    ],
)  # fmt: skip
def test_each_delivery_says_what_happened(name, body, type_, title):
    event = told(name, body)
    assert event.type == type_
    assert event.data["title"].strip() == title.strip()


def test_a_failed_run_is_an_error():
    run = {"workflow_run": {"name": "CI", "conclusion": "failure", "head_branch": "main"}}
    assert (told("workflow_run", run).data["severity"], told("workflow_run", run).data["branch"]) == (
        "error",
        "main",
    )


# --- mappings ------------------------------------------------------------------------------------

BODY = {"a": {"b": [1, {"c": "x"}]}, "n": None, "t": "text", "flag": True}


@pytest.mark.parametrize(
    ("template", "text"),
    [("plain", "plain"), ("{t}", "text"), ("{a.b.1.c}-{a.b.0}", "x-1"), ("{n|none}", "none"),
     ("{nope.x|}", ""),
     ("{a}", '{"b": [1, {"c": "x"}]}'), ("{flag}", "true"), ("{a.b.7|-}", "-"), ("{t.x|-}", "-")],
)  # fmt: skip
def test_a_template_shows_what_stands_at_its_paths(template, text):
    assert Template(template).fill(BODY) == text


def test_a_path_without_a_default_must_be_there():
    with pytest.raises(Missing, match="no 'a.z'"):
        Template("{a.z}").fill(BODY)


@pytest.mark.parametrize("template", ["{", "}", "{a..b}", "{}", "a{b{c}}", "{a"])
def test_a_template_that_makes_no_sense_is_refused_at_start(template):
    with pytest.raises(BadTemplate):
        Template(template)


def mapping(**rules):
    return Json.model_validate({"kind": "json", **rules})


def test_a_body_is_mapped_field_by_field():
    rules = mapping(
        type="uptime.{s}", source="{u}", subject="{n}", id="{n}-{s}", thread_key="{n}", destination="ops",
        data={"title": "{n} is {s}",
              "severity": {"of": "{s}", "table": {"up": "success"}, "default": "error"}},
    )  # fmt: skip
    (event,) = mapped_events({"s": "up", "u": "/x", "n": "web"}, rules)
    assert (event.type, event.source, event.id, event.thread_key) == ("uptime.up", "/x", "web-up", "web")
    assert event.data == {"title": "web is up", "severity": "success"}
    (down,) = mapped_events({"s": "down", "u": "/x", "n": "web"}, rules)
    assert down.data["severity"] == "error"


def test_without_fields_the_body_is_shown_and_each_element_of_a_list_is_an_event():
    first, second = mapped_events({"items": [{"k": "a"}, {"k": "b"}]}, mapping(type="t.{k}", each="items"))
    assert (first.type, first.data, second.type) == ("t.a", {"k": "a"}, "t.b")
    with pytest.raises(NotUnderstood, match="items"):
        mapped_events({}, mapping(type="t", each="items"))
    with pytest.raises(NotUnderstood, match="'k'"):
        mapped_events({"items": [{}]}, mapping(type="{k}", each="items"))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("receivers: {x: {kind: json, type: '{'}}", "receivers/x/json: Value error"),
        ("receivers: {x: {kind: json, type: a, data: {t: {of: '}', table: {}, default: ''}}}}", "brace"),
        ("receivers: {x: {kind: slack}}", "receivers/x"),
        ("receivers: {'X y': {kind: grafana}}", "receivers/X y"),
        ("receivers: {x: {kind: github}}", "secret"),
    ],
)
def test_a_wrong_rule_is_named_with_its_place(tmp_path, text, where):
    (tmp_path / "receivers.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=where):
        load_receivers(tmp_path / "receivers.yaml")


def test_a_receiver_with_a_destination_that_is_not_there_is_refused(tmp_path):
    rules = Receivers.model_validate({"receivers": {"x": {"kind": "grafana", "destination": "nope"}}})
    known = Destinations.model_validate(
        {"destinations": {"ops": {"description": "d", "webhook_url": {"env": "POSTA_WEBHOOK_OPS"}}}}
    )
    with pytest.raises(ConfigurationError, match="receivers/x/destination: 'nope'"):
        rules.check(known, file=tmp_path / "receivers.yaml")
    assert load_receivers(tmp_path / "none.yaml").receivers == {}


# --- over HTTP -----------------------------------------------------------------------------------


async def send(rig, name, body, **headers):
    headers = {"authorization": f"Bearer {rig.api_key}", **headers}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await rig.http.post(f"/v1/receivers/{name}", content=content, headers=headers)


def handled(receiver, outcome):
    labels = {"receiver": receiver, "outcome": outcome}
    return REGISTRY.get_sample_value("posta_receiver_requests_total", labels) or 0


async def signed(rig, body, *, secret=None, **headers):
    content = json.dumps(body).encode()
    mark = hmac.new(secret or rig.github_secret, content, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature-256": f"sha256={mark}", "x-github-event": "push", **headers}
    return await rig.http.post("/v1/receivers/github", content=content, headers=headers)


@pytest.mark.parametrize("name", ["alertmanager", "grafana"])
async def test_alerts_are_kept_safe_as_the_keys_events(rig, name):
    response = await send(rig, name, NOTIFICATION | {"alerts": [ALERT, RESOLVED]})
    assert response.status_code == 202
    assert [event["id"] for event in response.json()["events"]] == rig.publisher.ids
    events = [decode(key=w.key, value=w.value, headers=w.headers) for _, w in rig.publisher.written]
    assert [event.data.client_type for event in events] == ["alert.firing", "alert.resolved"]
    assert {event.data.publisher for event in events} == {"backup"}
    await send(rig, name, NOTIFICATION)
    assert len(set(rig.publisher.ids)) == 2


async def test_github_is_known_by_its_signature_alone(rig):
    before = handled("github", "accepted")
    accepted = await signed(rig, PUSH, **{"x-github-delivery": "1"})
    assert handled("github", "accepted") == before + 1
    again = await signed(rig, PUSH, **{"x-github-delivery": "1"})
    assert accepted.status_code == 202
    assert accepted.json() == again.json()
    assert (await signed(rig, PUSH, secret=b"another")).status_code == 401
    assert (await send(rig, "github", PUSH)).status_code == 401


async def test_githubs_ping_and_what_nobody_wants_are_answered_and_dropped(rig):
    before = handled("github", "not_wanted")
    for kind in ("ping", "star"):
        response = await signed(rig, {"zen": "z"}, **{"x-github-event": kind})
        assert (response.status_code, response.json()) == (202, {"events": []})
    assert rig.publisher.attempts == 0
    assert handled("github", "not_wanted") == before + 2


async def test_a_mapping_of_the_shipped_rules_works(rig):
    beat = {"heartbeat": {"status": 0, "msg": "timeout", "ping": 3}, "monitor": {"name": "web", "id": 7}}
    assert (await send(rig, "uptime", beat)).status_code == 202
    ((_, wire),) = rig.publisher.written
    data = json.loads(wire.value)
    assert (data["client_type"], data["thread_key"]) == ("uptime.0", "uptime/7")
    assert data["data"] == {"title": "web: timeout", "severity": "error", "ping_ms": "3"}


@pytest.mark.parametrize(
    ("name", "body", "headers", "status"),
    [
        ("nope", {}, {}, 404),
        ("alertmanager", {}, {}, 400),
        ("alertmanager", b"[", {}, 400),
        ("alertmanager", b"[]", {}, 400),
        ("alertmanager", NOTIFICATION, {"authorization": "Bearer x"}, 401),
        ("alertmanager", b"x" * 5000, {}, 413),
        ("alertmanager", NOTIFICATION | {"alerts": [ALERT | {"startsAt": "noon"}]}, {}, 422),
    ],
)
async def test_what_is_wrong_is_said(rig, name, body, headers, status):
    response = await send(rig, name, body, **headers)
    assert response.status_code == status
    assert response.json()["detail"]
    assert rig.publisher.attempts == 0

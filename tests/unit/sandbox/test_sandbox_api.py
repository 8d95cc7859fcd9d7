"""The API for tests itself: settings, faults, ledger, traces, and who may use it."""

import gzip

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from posta_sandbox import traces


async def test_every_call_is_in_the_ledger_even_a_faulted_one(sandbox):
    await sandbox.http.put("/api/faults/discord", json={"kind": "5xx", "status": 502, "count": 1})
    for _ in range(2):
        await sandbox.http.post(sandbox.ops_path, json={"content": "x"})
    calls = (await sandbox.http.get("/api/calls?service=discord")).json()
    assert [(c["status"], c["fault"]) for c in calls] == [(502, "5xx"), (204, None)]
    assert calls[0]["body_sha256"] == calls[1]["body_sha256"]
    assert "***" in calls[0]["path"]
    assert calls[1]["hints"]["webhook"] == "ops"
    posts = (await sandbox.http.get("/api/messages?webhook=ops")).json()
    assert len(posts) == 1


async def test_no_secret_can_be_read_from_the_api(sandbox):
    asked = await sandbox.ask()
    token = sandbox.world.discord.state.interactions[asked["id"]].token
    webhook = sandbox.ops_path.rsplit("/", 1)[1]
    await sandbox.http.patch(sandbox.reply_path(asked) + "/messages/@original", json={"content": "x"})
    await sandbox.http.get(sandbox.ops_path)
    pages = ["/api/interactions", "/api/calls", "/api/webhooks", "/api/messages", "/api/settings"]
    calls = (await sandbox.http.get("/api/calls")).json()
    assert len(calls) == 3
    pages += ["/api/timeline", *(f"/api/calls/{call['id']}" for call in calls)]
    for page in pages:
        text = (await sandbox.http.get(page)).text
        assert token not in text, page
        assert webhook not in text, page


@pytest.mark.parametrize(
    ("fault", "scope", "is_global"),
    [({}, "user", False), ({"scope": "global"}, "global", True), ({"scope": "shared"}, "shared", False)],
)  # fmt: skip
async def test_an_injected_429_has_discords_headers(sandbox, fault, scope, is_global):
    wanted = {"kind": "429", "retry_after": 1.5, "count": 1} | fault
    await sandbox.http.put("/api/faults/discord", json=wanted)
    response = await sandbox.http.post(sandbox.ops_path, json={"content": "x"})
    assert response.status_code == 429
    assert response.headers["retry-after"] == "2"
    assert response.headers["x-ratelimit-scope"] == scope
    assert (response.json()["retry_after"], response.json()["global"]) == (1.5, is_global)


async def test_faults_are_shown_spent_and_cleared(sandbox):
    await sandbox.http.put("/api/faults/llm", json=[{"kind": "reset", "count": 3}])
    shown = (await sandbox.http.get("/api/faults")).json()
    assert shown["llm"][0]["left"] == 3
    assert shown["smtp"] == []
    await sandbox.http.delete("/api/faults/llm")
    assert (await sandbox.http.get("/api/faults/llm")).json() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/api/faults/llm", {"kind": "explode"}),
        ("PUT", "/api/faults/pigeons", {"kind": "reset"}),
        ("PUT", "/api/settings", {"discord": {"webhook_limit": -1}}),
        ("PUT", "/api/llm/limits", {"rpm": -1}),
        ("POST", "/api/interactions", {"guild": 7}),
        ("POST", "/api/interactions", {"type": "wish"}),
        ("POST", "/api/interactions", {"surprise": 1}),
    ],
)
async def test_what_does_not_fit_is_a_problem_that_says_where(sandbox, method, path, body):
    response = await sandbox.http.request(method, path, json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"]


async def test_mail_without_a_mail_server_says_what_to_set(sandbox):
    response = await sandbox.http.get("/api/mail")
    assert response.status_code == 503
    assert "SMTP_UPSTREAM_PORT" in response.json()["detail"]


async def test_rules_change_while_it_runs_and_reset_brings_all_back(sandbox):
    await sandbox.http.put("/api/settings", json={"discord": {"token_life_s": 5}})
    assert sandbox.world.discord.rules.token_life_s == 5
    await sandbox.ask()
    await sandbox.http.put("/api/faults/llm", json={"kind": "reset"})
    assert (await sandbox.http.post("/api/reset")).status_code == 204
    assert sandbox.world.discord.rules.token_life_s == 900
    assert (await sandbox.http.get("/api/interactions")).json() == []
    assert (await sandbox.http.get("/api/calls")).json() == []
    assert (await sandbox.http.get("/api/faults/llm")).json() == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example:8090"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:8090"}, 204),
        ({"host": "localhost:8090"}, 204),
    ],
)
async def test_only_this_machines_programs_may_use_it(sandbox, headers, status):
    response = await sandbox.http.post("/api/reset", headers=headers)
    assert response.status_code == status


def export(trace_id: bytes = bytes([7] * 16)) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    service = KeyValue(key="service.name", value=AnyValue(string_value="ingress"))
    resource.resource.attributes.append(service)
    scope = resource.scope_spans.add()
    for number, parent in ((1, b""), (2, bytes([1] * 8))):
        span = scope.spans.add(
            trace_id=trace_id,
            span_id=bytes([number] * 8),
            parent_span_id=parent,
            name=f"span {number}",
            kind=2,
            start_time_unix_nano=1_000_000 * number,
            end_time_unix_nano=5_000_000,
        )
        span.attributes.append(KeyValue(key="n", value=AnyValue(int_value=number)))
    return request.SerializeToString()


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_traces_are_received_and_shown(sandbox, encoding):
    body = gzip.compress(export()) if encoding == "gzip" else export()
    headers = {"content-type": "application/x-protobuf", "content-encoding": encoding}
    assert (await sandbox.http.post("/v1/traces", content=body, headers=headers)).status_code == 200
    [line] = (await sandbox.http.get("/api/traces")).json()
    assert (line["name"], line["spans"], line["services"], line["ms"]) == (
        "span 1", 2, ["ingress"], 4.0,
    )  # fmt: skip
    trace = (await sandbox.http.get(f"/api/traces/{'07' * 16}")).json()
    assert [s["parent_span_id"] for s in trace["spans"]] == [None, "01" * 8]
    assert trace["spans"][1]["attributes"] == {"n": 2}
    assert trace["spans"][0]["kind"] == "server"


async def test_what_is_no_trace_is_refused(sandbox):
    response = await sandbox.http.post("/v1/traces", content=b"\xff\xff\xff")
    assert response.status_code == 400


async def test_a_struck_call_still_says_what_it_was_about(sandbox):
    asked = await sandbox.ask()
    await sandbox.http.put("/api/faults/discord", json={"kind": "5xx"})
    await sandbox.http.put("/api/faults/llm", json={"kind": "5xx"})
    trace = "ab" * 16
    path = sandbox.reply_path(asked) + "/messages/@original"
    headers = {"traceparent": f"00-{trace}-{'cd' * 8}-01"}
    await sandbox.http.patch(path, json={"content": "x"}, headers=headers)
    question = {"model": "m", "messages": [{"role": "user", "content": "why?"}]}
    await sandbox.http.post("/llm/v1/chat/completions", json=question)
    [edit] = (await sandbox.http.get("/api/calls?service=discord")).json()
    [call] = (await sandbox.http.get("/api/calls?service=llm")).json()
    assert edit["hints"] == {"interaction": asked["id"], "trace": trace}
    assert call["hints"] == {"prompt": "f5b2b98b", "question": "why?"}


async def test_each_of_several_deliveries_is_reported(sandbox):
    asked = await sandbox.ask(repeat=3)
    assert [d["status"] for d in asked["deliveries"]] == [200, 200, 200]
    assert asked["initial"]["type"] == 5


async def test_the_timeline_is_cheap_when_nothing_changed(sandbox):
    first = await sandbox.http.get("/api/timeline")
    again = await sandbox.http.get("/api/timeline", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    await sandbox.ask()
    changed = await sandbox.http.get("/api/timeline", headers={"if-none-match": first.headers["etag"]})
    assert [item["kind"] for item in changed.json()["items"]] == ["interaction"]


async def test_the_page_loads_nothing_foreign(sandbox):
    page = await sandbox.http.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    assert "style=" not in page.text
    script = await sandbox.http.get("/page/main.js")
    assert script.headers["content-type"].startswith("text/javascript")
    for missing in ("/page/__init__.py", "/page/..%2fapp.py", "/page/nothing.js"):
        assert (await sandbox.http.get(missing)).status_code == 404


async def test_old_traces_make_room_for_new_ones(sandbox, monkeypatch):
    monkeypatch.setattr(traces, "SPANS_KEPT", 3)
    for trace in (b"a", b"b", b"c"):
        sandbox.world.traces.receive(export(trace * 16))
    assert [t["trace_id"] for t in sandbox.world.traces.newest()] == [b"c".hex() * 16]


def test_the_ticks_of_a_poller_make_room_before_a_story_does(monkeypatch):
    monkeypatch.setattr(traces, "TRACES_KEPT", 2)
    kept = traces.Traces()
    kept.receive(export(b"s" * 16))
    for tick in (b"1", b"2", b"3"):
        request = ExportTraceServiceRequest()
        span = {"trace_id": tick * 16, "span_id": b"x" * 8, "name": "poll"}
        request.resource_spans.add().scope_spans.add().spans.add(**span)
        kept.receive(request.SerializeToString())
    assert [t["trace_id"] for t in kept.newest()] == [b"3".hex() * 16, b"s".hex() * 16]


async def test_the_timeline_tells_how_each_webhook_is_and_whose_thread_a_post_is_in(sandbox):
    for n in range(6):
        await sandbox.http.post(f"{sandbox.ops_path}?thread_id=77", json={"content": f"#{n}"})
    told = (await sandbox.http.get("/api/timeline")).json()
    (hook,) = told["webhooks"]
    assert (hook["name"], hook["channel"], hook["deleted"]) == ("ops", "ops", False)
    assert (hook["limit"], hook["remaining"], hook["refused"]) == (5, 0, 1)
    assert hook["opens_at"] == sandbox.now[0] + 2.0
    assert {item["thread"] for item in told["items"]} == {"77"}
    await sandbox.http.delete("/api/webhooks/ops")
    (hook,) = (await sandbox.http.get("/api/timeline")).json()["webhooks"]
    assert hook["deleted"]

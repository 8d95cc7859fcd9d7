"""The HTTP face every service has: health, metrics, problem details, body limit, keys."""

import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from posta.auth import ApiKeys
from posta.http.app import create_app
from posta.http.bearer import authorize
from posta.http.body_limit import BodyLimit
from posta.http.health import Health
from posta.http.metrics import wants_json
from posta.http.problem import Problem

KEYS = ApiKeys.parse("scripts:events:publish:" + hashlib.sha256(b"posta_key").hexdigest())


class Order(BaseModel):
    count: int


def an_app(health: Health | None = None) -> FastAPI:
    app = create_app(title="test", version="1", health=health or Health())
    app.add_middleware(BodyLimit, max_bytes=100)

    @app.get("/known/{item}")
    async def known(item: str) -> dict[str, str]:
        return {"item": item}

    @app.post("/orders")
    async def orders(order: Order) -> dict[str, int]:
        return {"count": order.count}

    @app.post("/raw")
    async def raw(request: Request) -> dict[str, int]:
        return {"size": len(await request.body())}

    @app.get("/refused")
    async def refused() -> None:
        raise Problem(409, "Already done", "Do nothing.", reference="R-1")

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("with a secret in it")

    @app.get("/private")
    async def private(request: Request) -> dict[str, str]:
        return {"name": authorize(request, KEYS, scope=request.query_params["scope"]).name}

    return app


def client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def test_health_names_what_is_wrong_and_liveness_ignores_what_only_readiness_needs():
    health = Health()
    faults: dict[str, str | None] = {"loop": None, "kafka": "no broker answers"}

    async def loop():
        return faults["loop"]

    async def kafka():
        return faults["kafka"]

    health.live("loop", loop)
    health.ready("kafka", kafka)
    async with client(an_app(health)) as http:
        live, ready = await http.get("/health/live"), await http.get("/health/ready")
        assert (live.status_code, live.json()) == (200, {"status": "ok"})
        assert ready.status_code == 503
        assert ready.json() == {"status": "failing", "faults": {"kafka": "no broker answers"}}
        faults.update(loop="stuck", kafka=None)
        assert (await http.get("/health/live")).status_code == 503
        assert (await http.get("/health/ready")).json()["faults"] == {"loop": "stuck"}


async def test_metrics_count_requests_by_route_never_by_path():
    async with client(an_app()) as http:
        await http.get("/known/secret-id-123")
        await http.get("/nowhere/secret-id-456")
        text = (await http.get("/metrics")).text
        openmetrics = await http.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert 'posta_http_requests_total{code="200",method="GET",route="/known/{item}"}' in text
    assert "secret-id" not in text
    assert openmetrics.text.rstrip().endswith("# EOF")


@pytest.mark.parametrize(
    ("path", "status", "member", "value"),
    [
        ("/refused", 409, "reference", "R-1"),
        ("/nowhere", 404, "title", "Not Found"),
        ("/broken", 500, "title", "Something went wrong on our side"),
        ("/private?scope=events:publish", 401, "title", "An API key is needed"),
    ],
)
async def test_every_error_is_problem_details(path, status, member, value):
    async with client(an_app()) as http:
        answer = await http.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body[member] == value
    assert body["status"] == status
    assert body["detail"]
    assert "secret" not in answer.text


async def test_a_schema_error_names_the_path_and_not_the_value():
    async with client(an_app()) as http:
        answer = await http.post("/orders", json={"count": "s3cret"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"path": "count", "reason": "Input should be a valid integer, unable to parse string as an integer"}
    ]
    assert "s3cret" not in answer.text


async def test_a_body_over_the_limit_is_refused_by_its_length_before_it_is_read():
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield b"x" * 50

    async with client(an_app()) as http:
        assert (await http.post("/raw", content=b"x" * 100)).json() == {"size": 100}
        assert (await http.post("/raw", content=b"x" * 101)).status_code == 413
        answer = await http.post("/raw", content=endless())
    assert answer.status_code == 413
    assert answer.json()["detail"] == "Send at most 100 bytes."


@pytest.mark.parametrize(
    ("authorization", "scope", "status"),
    [
        ("Bearer posta_key", "events:publish", 200),
        ("bearer posta_key", "events:publish", 200),
        ("Bearer posta_key", "dlq:read", 403),
        ("Bearer posta_other", "events:publish", 401),
        ("Basic posta_key", "events:publish", 401),
        ("", "events:publish", 401),
    ],
)
async def test_a_key_opens_what_its_scopes_say(authorization, scope, status):
    async with client(an_app()) as http:
        answer = await http.get(f"/private?scope={scope}", headers={"authorization": authorization})
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")


# --- metrics as JSON, and the names of earlier systems ---------------------------------------------


async def test_metrics_are_json_for_whoever_asks_for_json():
    async with client(an_app()) as http:
        await http.get("/known/1")
        found = (await http.get("/metrics", headers={"accept": "application/json"})).json()
        text = await http.get("/metrics/prometheus", headers={"accept": "application/json"})
    labels = {"route": "/known/{item}", "method": "GET", "code": "200"}
    assert [one for one in found["posta_http_requests_total"] if one["labels"] == labels]
    assert isinstance(found["discord_queue_size"], float)
    assert text.text.startswith("# HELP")


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        ("application/json", True),
        ("application/json;q=1, */*", True),
        ("*/*", False),
        ("", False),
        ("text/html,application/json", True),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1", False),
        ("text/plain, application/json", False),
    ],
)
def test_the_accept_header_chooses_the_form_of_the_metrics(accept, json):
    assert wants_json(accept) is json


async def test_metrics_can_be_switched_off():
    app = an_app()
    app.state.metrics_enabled = False
    async with client(app) as http:
        assert [(await http.get(path)).status_code for path in ("/metrics", "/metrics/prometheus")] == [
            404,
            404,
        ]


async def test_health_says_what_ready_says():
    health = Health()
    async with client(an_app(health)) as http:
        assert (await http.get("/health")).json() == {"status": "ok"}

        async def fault():
            return "away"

        health.ready("kafka", fault)
        response = await http.get("/health")
    assert (response.status_code, response.json()["faults"]) == (503, {"kafka": "away"})

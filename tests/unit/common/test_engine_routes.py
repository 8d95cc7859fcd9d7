"""The engine's routes: who may see it, who may steer it, and what is logged of that."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from support.engine_rig import GROUP
from support.logged import logged

from posta.auth import ApiKeys, describe_key, new_key
from posta.engine.engine import Engine
from posta.engine.routes import engine_router
from posta.http.app import create_app
from posta.http.health import Health
from posta.kafka.producer import Producer
from posta.settings import KafkaSettings

KEYS = {"viewer": new_key(), "operator": new_key(), "publisher": new_key()}
SCOPES = {
    "viewer": {"engine:read"},
    "operator": {"engine:read", "engine:operate"},
    "publisher": {"events:publish"},
}
CALLS = [("GET", "/v1/engine"), ("POST", "/v1/engine/pause"), ("POST", "/v1/engine/resume")]


@pytest.fixture
def engine():
    async def handler(_message):
        await asyncio.sleep(0)

    settings = KafkaSettings()
    return Engine(GROUP, handler, kafka=settings, producer=Producer(settings, client_id="never connected"))


@pytest.fixture
async def client(engine):
    listed = ",".join(describe_key(KEYS[n], name=n, scopes=frozenset(s)) for n, s in SCOPES.items())
    app: FastAPI = create_app(title="t", version="1", health=Health())
    app.include_router(engine_router(engine, ApiKeys.parse(listed)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as client:
        yield client


def by(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[name]}"}


async def test_a_viewer_sees_the_whole_status(client):
    answer = await client.get("/v1/engine", headers=by("viewer"))
    assert answer.status_code == 200
    assert answer.json() == {
        "group": "workers",
        "joined": False,
        "assigned": [],
        "in_flight": 0,
        "held": 0,
        "holds": [],
        "watermark_gap": 0,
        "oldest_pending_s": 0.0,
        "lanes_waiting": {},
        "flood": {
            "state": "closed",
            "trips": 0,
            "in_a_row": 0,
            "died": 0,
            "ended": 0,
            "canary_in_s": None,
        },
        "order_fault": None,
        "held_keys": [],
    }


async def test_an_operator_pauses_and_resumes(client, engine):
    paused = await client.post("/v1/engine/pause", json={"reason": " new key "}, headers=by("operator"))
    assert paused.status_code == 200
    assert [hold["why"] for hold in paused.json()["holds"]] == ["operator: new key"]
    assert paused.json()["holds"][0]["since"].endswith("Z")
    assert await engine.ready_fault() == "intake is paused: operator: new key"
    resumed = await client.post("/v1/engine/resume", headers=by("operator"))
    assert (resumed.status_code, resumed.json()["holds"]) == (200, [])
    again = await client.post("/v1/engine/resume", headers=by("operator"))
    assert again.status_code == 200, "resuming what is not paused is no error"


async def test_resuming_leaves_a_missing_dependency_in_place(client, engine):
    engine._dispatcher.hold("postgres")
    resumed = await client.post("/v1/engine/resume", headers=by("operator"))
    assert [hold["why"] for hold in resumed.json()["holds"]] == ["postgres"]


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"authorization": f"Bearer {new_key()}"}, 401), (by("publisher"), 403)],
)
async def test_others_are_turned_away_with_a_problem(client, engine, method, path, headers, status):
    answer = await client.request(method, path, headers=headers, json={"reason": "mischief"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert not engine.status().holds


@pytest.mark.parametrize("path", [path for method, path in CALLS if method == "POST"])
async def test_a_viewer_may_not_steer(client, engine, path):
    answer = await client.post(path, headers=by("viewer"), json={"reason": "mischief"})
    assert answer.status_code == 403
    assert "engine:operate" in answer.json()["detail"]
    assert not engine.status().holds


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "a\nb"}, {"reason": "x" * 201}, {"why": "x"}]
)
async def test_a_pause_needs_a_reason_of_one_line(client, engine, body):
    answer = await client.post("/v1/engine/pause", json=body, headers=by("operator"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert not engine.status().holds


async def test_each_change_is_logged_with_the_name_of_the_key_and_not_the_key(client):
    with logged() as lines:
        await client.post("/v1/engine/pause", json={"reason": "new key"}, headers=by("operator"))
        await client.post("/v1/engine/resume", headers=by("operator"))
    (pause,), (resume,) = lines["engine_pause_requested"], lines["engine_resume_requested"]
    assert pause["actor"] == resume["actor"] == "operator"
    assert pause["reason"] == "new key"
    assert resume["resumed"] == ["operator: new key"]
    assert KEYS["operator"] not in str([pause, resume])

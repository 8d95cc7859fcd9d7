import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from posta_cli import engine_calls
from posta_cli.engine_calls import Answer
from posta_cli.engine_table import lines
from posta_cli.errors import CommandError

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STATUS: dict[str, Any] = {
    "group": "llm-worker",
    "joined": True,
    "assigned": ["a/0", "a/1"],
    "in_flight": 3,
    "held": 9,
    "holds": [],
    "watermark_gap": 7,
    "oldest_pending_s": 1.26,
    "lanes_waiting": {},
    "flood": {"state": "closed", "trips": 0, "in_a_row": 0, "died": 0, "ended": 0, "canary_in_s": None},
}


@pytest.fixture
def service() -> Iterator[Any]:
    """A service that answers as told and remembers what it was asked."""

    class Service(HTTPServer):
        status = 200
        body: bytes = json.dumps(STATUS).encode()
        asked: list[tuple[str, str, str, bytes]] = []  # noqa: RUF012 - one server for one test

    class Handler(BaseHTTPRequestHandler):
        server: Service

        def do_GET(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            asked = (self.command, self.path, self.headers["authorization"], self.rfile.read(size))
            self.server.asked.append(asked)
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(self.server.body)

        do_POST = do_GET  # noqa: N815 - the name http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = Service(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def urls(service: Any) -> dict[str, str]:
    return {"llm-worker": f"http://127.0.0.1:{service.server_port}"}


def test_each_command_calls_its_route_with_the_key(service: Any) -> None:
    (answer,) = engine_calls.read_status(urls(service), "posta_k")
    assert answer.status == STATUS
    engine_calls.pause(urls(service), "posta_k", reason="lunch")
    engine_calls.resume(urls(service), "posta_k")
    assert [(method, path, key) for method, path, key, _ in service.asked] == [
        ("GET", "/v1/engine", "Bearer posta_k"),
        ("POST", "/v1/engine/pause", "Bearer posta_k"),
        ("POST", "/v1/engine/resume", "Bearer posta_k"),
    ]
    assert json.loads(service.asked[1][3]) == {"reason": "lunch"}


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (404, b"{}", "POSTA_API_KEYS is not set for it"),
        (403, b'{"title": "No", "detail": "Use another key."}', "refused (403): No. Use another key."),
        (200, b"[]", "refused (200)"),
        (200, b"hello", "does not answer"),
    ],
)
def test_a_service_that_gives_no_status_says_why(service: Any, status: int, body: bytes, fault: str) -> None:
    service.status, service.body = status, body
    (answer,) = engine_calls.read_status(urls(service), "posta_k")
    assert answer.status is None
    assert fault in (answer.fault or "")


def test_a_service_that_is_away_does_not_hide_the_others(service: Any) -> None:
    services = {"notifier": "http://127.0.0.1:1", **urls(service)}
    away, here = engine_calls.read_status(services, "posta_k")
    assert away.fault == "does not answer (ConnectError)"
    assert here.status == STATUS


def running(*names: str) -> dict[str, Any]:
    return {"services": {name: {"url": f"http://{name}"} for name in names}}


def test_all_engines_are_meant_when_none_is_named() -> None:
    system = running("ingress", "dlq-admin", "llm-worker")
    assert list(engine_calls.chosen(system, None)) == ["llm-worker", "dlq-admin"]
    assert engine_calls.chosen(system, "dlq-admin") == {"dlq-admin": "http://dlq-admin"}


@pytest.mark.parametrize("name", ["ingress", "notifier", "nonsense"])
def test_a_service_without_an_engine_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="Name one of llm-worker"):
        engine_calls.chosen(running("ingress", "llm-worker"), name)


def test_a_working_engine_is_one_row() -> None:
    table = lines([Answer(service="llm-worker", status=STATUS)], now=NOW)
    assert [line.split() for line in table] == [
        ["engine", "state", "partitions", "in", "flight", "held", "gap", "oldest", "flood"],
        ["llm-worker", "working", "2", "3", "9", "7", "1.3", "s", "closed"],
    ]


def test_what_holds_an_engine_stands_below_the_table() -> None:
    since = (NOW - timedelta(seconds=90)).isoformat().replace("+00:00", "Z")
    flood = {"state": "open", "trips": 2, "in_a_row": 20, "died": 40, "ended": 50, "canary_in_s": 12.4}
    held = {
        **STATUS,
        "holds": [{"why": "operator: lunch", "since": since}],
        "lanes_waiting": {"llm-worker.retry.5s": 4},
        "flood": flood,
        "held_keys": [{"topic": "email.received", "partition": 2, "offset": 71}],
    }
    table = lines(
        [Answer(service="llm-worker", status=held), Answer(service="notifier", fault="does not answer")],
        now=NOW,
    )
    assert table[1].split()[1] == "paused"
    assert table[2].split()[:2] == ["notifier", "unknown"]
    assert table[3:] == [
        "llm-worker: paused by operator: lunch for 90 s",
        "llm-worker: 20 in a row, 40 of 50 lately would be dead letters; one is tried in 12 s",
        "llm-worker: 4 waiting in llm-worker.retry.5s",
        "llm-worker: a key is held until the dead letter of email.received/2 offset 71 is replayed",
        "notifier: does not answer",
    ]

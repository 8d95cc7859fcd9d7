"""Many processes that publish through one spool, killed and started again, while ingress comes and goes."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from posta_client import Options, Publisher, Settings, State
from posta_client.spool import Spool

pytestmark = pytest.mark.integration

PUBLISH = """
import sys
from posta_client import Options, Publisher
who, first = sys.argv[1], int(sys.argv[2])
with Publisher() as publisher, open(sys.argv[3], "a") as log:
    for number in range(first, first + 100_000):
        options = Options(source=f"/{who}", id=f"{who}-{number}")
        receipt = publisher.publish("test.count", {"n": number}, options)
        print(receipt.state, receipt.id, file=log, flush=True)
"""


class Ingress(ThreadingHTTPServer):
    """Takes events, or refuses them for now, or says nothing; notes what it took."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode = "takes"
        self.arrived = []
        self.guard = threading.Lock()
        self.closing = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def distinct(self):
        with self.guard:
            return list(dict.fromkeys(self.arrived))

    def handle_error(self, *_args):
        """A caller that was killed in the middle of its request is what these tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Ingress

    def do_POST(self):
        content = json.loads(self.rfile.read(int(self.headers["content-length"])))
        events = content if isinstance(content, list) else [content]
        if self.server.mode == "silent":
            self.server.closing.wait(60)
            return
        taken = self.server.mode == "takes"
        if taken:
            with self.server.guard:
                self.server.arrived.extend(event["id"] for event in events)
        body = json.dumps({"events": [{"id": event["id"]} for event in events]} if taken else {}).encode()
        self.send_response(202 if taken else 503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args):
        pass


@pytest.fixture
def ingress():
    server = Ingress()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def start(tmp_path, ingress):
    running = []

    def begin(*arguments, **changes):
        env = os.environ | {"POSTA_URL": ingress.url, "POSTA_SPOOL": str(tmp_path / "spool.sqlite3"),
                            "POSTA_API_KEY": "posta_k", **changes}  # fmt: skip
        running.append(subprocess.Popen([sys.executable, *arguments], env=env))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.wait(10)


def until(holds: Callable[[], object], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def kept_in(path: Path) -> int:
    spool = Spool(path, max_events=1, max_bytes=1)
    try:
        return spool.contents().waiting
    finally:
        spool.close()


def promised(log: Path) -> list[str]:
    """Ids whose publishing returned with a promise; a line cut off by the kill made none."""
    lines = log.read_text().split("\n")[:-1] if log.exists() else []
    words = [line.split() for line in lines]
    assert all(state in {"sent", "kept"} for state, _ in words), "nothing is lost or refused here"
    return [event_id for _, event_id in words]


def test_whatever_was_promised_arrives_in_order_though_everyone_is_killed(ingress, start, tmp_path):
    logs = {who: tmp_path / f"{who}.log" for who in ("a", "b", "c")}
    for life, mode in enumerate(("takes", "refuses", "takes")):
        before = {who: len(promised(log)) for who, log in logs.items()}
        ingress.mode = mode
        lives = [start("-c", PUBLISH, who, str(life * 100_000), str(log)) for who, log in logs.items()]
        until(lambda before=before: all(len(promised(log)) >= before[who] + 10 for who, log in logs.items()))
        for process in lives:
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        if mode == "refuses":
            assert kept_in(tmp_path / "spool.sqlite3")
    drained = start("-m", "posta_client.command", "drain", "--budget", "60")
    assert drained.wait(90) == 0
    arrived = ingress.distinct
    for who, log in logs.items():
        made = promised(log)
        assert len(made) >= 30
        assert set(made) <= set(arrived)
        theirs = [event_id for event_id in arrived if event_id.startswith(f"{who}-")]
        assert theirs == sorted(theirs, key=lambda event_id: int(event_id.partition("-")[2]))


def test_a_silent_ingress_and_a_dead_address_cost_no_more_than_the_budget(ingress, tmp_path):
    ingress.mode = "silent"
    with socket.create_server(("127.0.0.1", 0), backlog=0) as nobody:
        addresses = (ingress.url, f"http://127.0.0.1:{nobody.getsockname()[1]}", "http://127.0.0.1:1")
        for number, url in enumerate(addresses):
            settings = Settings(url=url, spool=tmp_path / f"{number}.sqlite3", budget_s=0.5)
            with Publisher(settings) as publisher:
                started = time.monotonic()
                assert publisher.publish("x").state is State.KEPT
                # Far below the 10 s of one request: a busy machine may add some.
                assert time.monotonic() - started < 5


def test_a_background_thread_sends_what_is_kept_when_ingress_is_back(ingress, tmp_path):
    ingress.mode = "refuses"
    settings = Settings(url=ingress.url, spool=tmp_path / "s.sqlite3", budget_s=20)
    with Publisher(settings, drain_every_s=0.05) as publisher:
        for number in range(60):
            assert publisher.publish("x", options=Options(id=str(number))).state is State.KEPT
        ingress.mode = "takes"
        publisher.outbox.end_pause()
        until(lambda: len(ingress.distinct) == 60)
    assert ingress.distinct == [str(number) for number in range(60)]


def test_threads_share_a_publisher_while_ingress_comes_and_goes(ingress, tmp_path):
    settings = Settings(url=ingress.url, spool=tmp_path / "s.sqlite3", budget_s=20)
    with Publisher(settings) as publisher, ThreadPoolExecutor(6) as threads:
        states = []
        for mode in ("takes", "refuses", "takes"):
            ingress.mode = mode
            states += threads.map(
                lambda number, mode=mode: publisher.publish("x", number, Options(id=f"{mode}{number}")).state,
                range(len(states), len(states) + 30),
            )
        assert set(states) <= {State.SENT, State.KEPT}
        publisher.outbox.end_pause()
        publisher.drain()
        assert publisher.contents().waiting == 0
    assert len(ingress.distinct) == 90


def test_a_fork_publishes_as_its_parent_does(ingress, tmp_path):
    script = tmp_path / "forks.py"
    script.write_text(
        "import os, sys\n"
        "from posta_client import Options, Publisher, Settings\n"
        "from pathlib import Path\n"
        "settings = Settings(url=sys.argv[1], spool=Path(sys.argv[2]), budget_s=20)\n"
        "publisher = Publisher(settings)\n"
        "assert publisher.publish('x', options=Options(id='parent')).state == 'sent'\n"
        "child = os.fork()\n"
        "name = 'second' if child else 'child'\n"
        "state = publisher.publish('x', options=Options(id=name)).state\n"
        "assert not child or os.waitpid(child, 0)[1] == 0\n"
        "os._exit(0 if state == 'sent' else 1)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), ingress.url, str(tmp_path / "s.sqlite3")], timeout=60, check=False
    )
    assert done.returncode == 0
    assert sorted(ingress.distinct) == ["child", "parent", "second"]


def test_the_command_hands_an_event_over_and_the_package_needs_httpx_alone(ingress, start):
    published = start("-m", "posta_client.command", "backup.failed", "host=db1", "--id", "7", "--strict")
    assert published.wait(60) == 0
    assert ingress.distinct == ["7"]
    only = "import sys, posta_client; sys.exit(bool({'posta', 'pydantic'} & set(sys.modules)))"
    assert start("-c", only).wait(60) == 0

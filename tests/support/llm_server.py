"""A scriptable LLM over real HTTP for tests: it runs in threads, so that a blocked test does not stop it."""

import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_BLOCK = re.compile(r"<question>\n(.*)\n</question>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as it came in."""

    question: str
    number: int
    """The how-manieth call for this very question; 1 for the first."""
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server does with a call; the default is an answer that quotes the question."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    reset: bool = False
    """Cut the connection instead of answering."""


Script = Callable[[Call], Reply]


def answer_to(question: str) -> str:
    """What the server answers."""
    return f"The answer to {question}"


class LlmServer(ThreadingHTTPServer):
    """``script`` decides about each call; ``calls`` is the ledger of them all."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: Script = lambda _call: Reply()
        self.calls: list[Call] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def calls_by_question(self) -> Counter[str]:
        return Counter(call.question for call in list(self.calls))

    def note(self, headers: dict[str, str], body: dict[str, Any]) -> Call:
        found = _BLOCK.fullmatch(body["messages"][-1]["content"])
        question = found.group(1) if found else ""
        with self._lock:
            number = self.calls_by_question[question] + 1
            call = Call(question=question, number=number, headers=headers, body=body)
            self.calls.append(call)
        return call

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed hangs up; that is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: LlmServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        call = self.server.note(dict(self.headers.items()), body)
        reply = self.server.script(call)
        self.server.closing.wait(reply.delay_s)
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        content = _completion(call) if reply.body is None else reply.body
        self.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep the test's output clean."""


def _completion(call: Call) -> bytes:
    choice = {"index": 0, "message": {"content": answer_to(call.question)}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
    return json.dumps({"id": "c1", "model": "test", "choices": [choice], "usage": usage}).encode()


@contextmanager
def llm_server() -> Iterator[LlmServer]:
    """A server on a free port for the block."""
    server = LlmServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)

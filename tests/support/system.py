"""What people and operators do with a running system, for tests: ask, publish, write, look, break."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
from support.running_system import RunningSystem

T = TypeVar("T")


_KNOWN: dict[Path, dict[str, Any]] = {}


class Posta:
    """What a test may do with a running system: look, ask, publish, write mail, break things."""

    def __init__(self, system: RunningSystem) -> None:
        self.system = system
        self.home = system.home
        self.http = httpx.Client(timeout=30)
        # Addresses and keys stay for a system's life, so one look serves all its tests.
        self.status: dict[str, Any] = _KNOWN.get(system.home) or system.status
        _KNOWN[system.home] = self.status

    def look(self) -> "Posta":
        """Take the status anew: pids change at a restart, addresses do not."""
        self.status = self.system.status
        return self

    def logs(self, service: str | None = None) -> str:
        files = sorted((self.home / "logs").glob(f"{service or '*'}.log"))
        return "\n".join(f"── {f.name}\n{f.read_text(errors='replace')[-6000:]}" for f in files)

    # ── addresses ────────────────────────────────────────────────────────────────────────────────
    def url(self, service: str) -> str:
        return str(self.status["services"][service]["url"])

    @property
    def sandbox(self) -> str:
        return str(self.status["sandbox"]["url"])

    def key(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.status['credentials'][f'{name}_key']}"}

    # ── what people do ───────────────────────────────────────────────────────────────────────────
    def ask(self, question: str, **who: Any) -> dict[str, Any]:
        body = {"command": "ask", "options": {"question": question}, **who}
        answer = self.http.post(f"{self.sandbox}/api/interactions", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def interaction(self, id_: str) -> dict[str, Any]:
        return self.http.get(f"{self.sandbox}/api/interactions/{id_}").json()

    def publish(self, event: dict[str, Any], **headers: str) -> httpx.Response:
        return self.http.post(
            f"{self.url('ingress')}/v1/events", json=event, headers={**self.key("scripts"), **headers}
        )

    def messages(self, webhook: str = "ops") -> list[dict[str, Any]]:
        return self.http.get(f"{self.sandbox}/api/messages", params={"webhook": webhook}).json()

    def write_mail(self, **mail: Any) -> dict[str, Any]:
        answer = self.http.post(f"{self.sandbox}/api/mail", json=mail)
        assert answer.is_success, answer.text
        return answer.json()

    def mail_to(self, address: str) -> list[dict[str, Any]]:
        return self.http.get(f"{self.sandbox}/api/mail", params={"to": address}).json()

    # ── the ledger and the faults ────────────────────────────────────────────────────────────────
    def calls(self, service: str) -> list[dict[str, Any]]:
        return self.http.get(f"{self.sandbox}/api/calls", params={"service": service}).json()

    def fault(self, service: str, **fault: Any) -> None:
        answer = self.http.put(f"{self.sandbox}/api/faults/{service}", json=fault)
        assert answer.status_code < 300, answer.text

    def clear_faults(self) -> None:
        for service in ("discord", "llm", "smtp", "imap"):
            self.http.delete(f"{self.sandbox}/api/faults/{service}")

    # ── dead letters ─────────────────────────────────────────────────────────────────────────────
    def dead_letters(self, **filters: str) -> list[dict[str, Any]]:
        answer = self.http.get(
            f"{self.url('dlq-admin')}/v1/dead-letters", params=filters, headers=self.key("admin")
        )
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return body["items"] if isinstance(body, dict) else body

    # ── processes ────────────────────────────────────────────────────────────────────────────────
    def pid(self, service: str) -> int:
        return int(self.look().status["services"][service]["pid"])

    def kill(self, service: str) -> None:
        """kill -9; the supervisor starts it again."""
        os.kill(self.pid(service), signal.SIGKILL)

    def wait_ready(self, within_s: float = 60) -> None:
        eventually(lambda: not self.unready(), within_s=within_s, why=self.logs)

    def unready(self) -> list[str]:
        """The services that do not say that they are ready."""
        return [name for name in self.status["services"] if not self._is_ready(name)]

    def _is_ready(self, service: str) -> bool:
        try:
            return self.http.get(f"{self.url(service)}/health/ready").status_code == 200
        except httpx.TransportError:
            return False


def eventually(
    holds: Callable[[], T], *, within_s: float = 30, why: Callable[[], str] | str = "", every_s: float = 0.1
) -> T:
    """The first true value of ``holds()``; fails with ``why`` when there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        value = holds()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {within_s} s: {why() if callable(why) else why}")
        time.sleep(every_s)

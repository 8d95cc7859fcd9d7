"""Calls the engines of a running system over HTTP: how each is, pause it, resume it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from posta_cli.errors import CommandError

SERVICES = ("llm-worker", "notifier", "dlq-admin")
"""Those that have an engine, in the order of the flow."""
_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one service said: its engine's status, or why there is none."""

    service: str
    status: Mapping[str, Any] | None = None
    fault: str | None = None


def chosen(running: Mapping[str, Any], service: str | None) -> dict[str, str]:
    """Return name and URL of the one ``service``, or of every one with an engine.

    ``running`` is the status document. Raises CommandError when there is no such engine.
    """
    urls = {name: str(running["services"][name]["url"]) for name in SERVICES if name in running["services"]}
    if service is None:
        return urls
    if service not in urls:
        raise CommandError(f"{service} has no engine in this system.", f"Name one of {', '.join(urls)}.")
    return {service: urls[service]}


def read_status(services: Mapping[str, str], key: str) -> list[Answer]:
    """Ask each of ``services`` how its engine is."""
    return [_call(name, "GET", f"{url}/v1/engine", key) for name, url in services.items()]


def pause(services: Mapping[str, str], key: str, *, reason: str) -> list[Answer]:
    """Pause each engine for ``reason``."""
    body = {"reason": reason}
    return [_call(name, "POST", f"{url}/v1/engine/pause", key, body) for name, url in services.items()]


def resume(services: Mapping[str, str], key: str) -> list[Answer]:
    """End the pauses of operators and of the flood breaker in each engine."""
    return [_call(name, "POST", f"{url}/v1/engine/resume", key) for name, url in services.items()]


def _call(service: str, method: str, url: str, key: str, body: Mapping[str, str] | None = None) -> Answer:
    headers = {"authorization": f"Bearer {key}"}
    try:
        answer = httpx.request(method, url, headers=headers, json=body, timeout=_TIMEOUT_S, trust_env=False)
        said = answer.json()
    except (httpx.HTTPError, ValueError) as exc:
        return Answer(service=service, fault=f"does not answer ({type(exc).__name__})")
    if answer.status_code == httpx.codes.NOT_FOUND:
        return Answer(service=service, fault="has no /v1/engine: POSTA_API_KEYS is not set for it")
    if not answer.is_success or not isinstance(said, dict):
        return Answer(service=service, fault=_refusal(answer.status_code, said))
    return Answer(service=service, status=said)


def _refusal(status_code: int, said: Any) -> str:
    problem = said if isinstance(said, dict) else {}
    return f"refused ({status_code}): {problem.get('title', 'no reason given')}. {problem.get('detail', '')}"

"""Dead letters for tests: raw records as a group's dead-letter topic holds them."""

import json
from dataclasses import replace
from typing import Any

from posta.domain.envelope import Headers
from posta.engine.message import RawRecord

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS: dict[str, str] = {
    "ce_specversion": "1.0",
    "ce_id": "discord:1001",
    "ce_type": "posta.discord.interaction.v1",
    "ce_source": "/ingress",
    "ce_time": "2026-11-21T08:00:00Z",
    "content-type": "application/json",
    "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01",
    "posta-original-topic": "discord.interactions",
    "posta-original-partition": "2",
    "posta-original-offset": "41",
    "posta-original-timestamp": "1795247990000",
    "posta-attempt": "6",
    "posta-first-failure": "1795248000000",
    "posta-last-failure": "1795248600000",
    "posta-not-before": "0",
    "posta-lane-due": "0",
    "posta-group": "llm-worker",
    "posta-error-class": "transient",
    "posta-reason": "attempt 6 of 6 failed: the provider answered 503",
    "posta-exception-type": "ProviderDown",
    "posta-exception-message": "the provider answered 503",
    "posta-exception-stack": "llm_worker/provider.py:88 complete",
    "posta-fingerprint": "0123456789abcdef",
    "posta-service-version": "0.1.0",
}
PAYLOAD: dict[str, Any] = {
    "interaction_id": "1001",
    "application_id": "7",
    "token": "aW50ZXJhY3Rpb246c2VjcmV0",
    "kind": 2,
    "command": "ask",
    "text": "What is a posta?",
    "person": {"id": "11", "name": "Ada"},
}
RECORD = RawRecord(
    topic="llm-worker.dlq",
    partition=0,
    offset=0,
    timestamp_ms=1_795_248_600_123,
    key=b"discord:1:11",
    value=json.dumps(PAYLOAD).encode(),
    headers=tuple((name, text.encode()) for name, text in HEADERS.items()),
)


def headers(**changed: str | bytes | None) -> Headers:
    """The usual headers; ``posta_reason="x"`` sets ``posta-reason``, None leaves one out, ``ce_`` stays."""
    wanted: dict[str, str | bytes | None] = dict(HEADERS)
    for name, text in changed.items():
        wanted[name if name.startswith("ce_") else name.replace("_", "-")] = text
    return tuple(
        (name, text if isinstance(text, bytes) else text.encode())
        for name, text in wanted.items()
        if text is not None
    )


def record(offset: int = 0, **changed: Any) -> RawRecord:
    """The usual dead letter at ``offset`` of its topic, with other fields ``changed``."""
    return replace(RECORD, offset=offset, **changed)

"""PURE: what `posta up` tells a person once everything is ready."""

from collections.abc import Mapping
from typing import Any


def summary(status: Mapping[str, Any], *, stop_with: str) -> list[str]:
    """Return the lines; they hold the generated keys, which are for this machine's sandbox only."""
    services, keys = status["services"], status["credentials"]
    lines = []
    if status["sandbox"]:
        lines.append(f"  Ask a question   {status['sandbox']['url']}")
        if "mail_address" in status["sandbox"]:
            where = f"SMTP at {status['sandbox']['smtp']}"
            lines.append(
                f"  Write a mail     to {status['sandbox']['mail_address']} on that page, or by {where}"
            )
    if "dlq-admin" in services:
        key = f"   key: {keys['admin_key']}" if "admin_key" in keys else ""
        lines.append(f"  Dead letters     {services['dlq-admin']['url']}{key}")
    if "ingress" in services:
        lines += ["  Publish an event", *_curl(services["ingress"]["url"], keys)]
    return [*lines, "", f"  Stop with {stop_with}; the data stay in {status['home']}.", ""]


def _curl(ingress_url: str, keys: Mapping[str, str]) -> list[str]:
    key = keys.get("scripts_key", "$POSTA_API_KEY")
    return [
        f"    curl -sS {ingress_url}/v1/events \\",
        f"      -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\",
        """      -d '{"type": "greeting.sent", "data": {"title": "It works", "text": "Hello from curl"}}'""",
    ]

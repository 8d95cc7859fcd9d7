"""Which bucket a call to the Discord look-alike falls in, and what a closed bucket answers."""

import math
from typing import Any

from posta_sandbox.discord.buckets import Buckets, Verdict
from posta_sandbox.faults import Fault, Kind
from posta_sandbox.rules import DiscordRules

_FAULT_MESSAGES = {
    "shared": "The resource is being rate limited.",
    "user": "You are being rate limited.",
    "global": "You are being rate limited.",
}


def take_webhook(buckets: Buckets, rules: DiscordRules, *, route: str, owner: str, now: float) -> Verdict:
    """Count a call against its webhook's (or interaction token's) own bucket."""
    return buckets.take(route, owner, limit=rules.webhook_limit, window_s=rules.webhook_window_s, now=now)


def take_channel(buckets: Buckets, rules: DiscordRules, *, channel_id: str, now: float) -> Verdict:
    """Count a post against the hidden limit that all webhooks of a channel share."""
    return buckets.take(
        "channel", channel_id, limit=rules.channel_limit, window_s=rules.channel_window_s, now=now
    )


def take_global(buckets: Buckets, rules: DiscordRules, *, of: str, now: float) -> Verdict:
    """Count a call against the 50 per second of one address, or one bot; interactions are exempt."""
    return buckets.take("global", of, limit=rules.global_limit, window_s=1.0, now=now)


def headers(verdict: Verdict) -> dict[str, str]:
    """Return the headers that every answer of a bucket carries."""
    return {
        "X-RateLimit-Limit": str(verdict.limit),
        "X-RateLimit-Remaining": str(verdict.remaining),
        "X-RateLimit-Reset": f"{verdict.reset_at:.3f}",
        "X-RateLimit-Reset-After": f"{verdict.reset_after_s:.3f}",
        "X-RateLimit-Bucket": verdict.bucket,
    }


def refusal(retry_after_s: float, scope: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the headers and body of a 429; Retry-After is whole seconds, rounded up."""
    # Clients tell Discord's own 429 from Cloudflare's by Via, which only the former carries.
    extra = {"X-RateLimit-Scope": scope, "Retry-After": str(math.ceil(retry_after_s)), "Via": "1.1 google"}
    if scope == "global":
        extra["X-RateLimit-Global"] = "true"
    body = {
        "message": _FAULT_MESSAGES[scope],
        "retry_after": round(retry_after_s, 3),
        "global": scope == "global",
        "code": 0,
    }
    return extra, body


def injected(fault: Fault, *, now: float) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, headers and body of an injected 429 or server error."""
    if fault.kind is Kind.TOO_MANY:
        extra, body = refusal(fault.retry_after, fault.scope)
        told = {
            "X-RateLimit-Limit": "5",
            "X-RateLimit-Remaining": "4" if fault.scope == "shared" else "0",
            "X-RateLimit-Reset": f"{now + fault.retry_after:.3f}",
            "X-RateLimit-Reset-After": f"{fault.retry_after:.3f}",
            "X-RateLimit-Bucket": "injectedbysandboxfault0000000000",
        }
        return 429, told | extra, body
    return fault.status, {}, {"message": f"{fault.status}: Server Error (injected)", "code": 0}

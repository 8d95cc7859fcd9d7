"""Takes secrets out of text that people or machines will keep: logs, failure headers, traces.

Webhook URLs and interaction tokens are credentials by themselves, and exceptions of HTTP libraries
quote the URL they failed on, so every free text passes through here before it is stored.
"""

import re

MASK = "[redacted]"

# Discord: /webhooks/{id}/{token} and /interactions/{id}/{token}
_DISCORD = re.compile(r"(/(?:webhooks|interactions)/\d+/)[A-Za-z0-9_.\-]+")
# user:password@host in any URL; \b keeps a long run of letters from being scanned at each of them
_IN_URL = re.compile(r"(\b\w+://[^\s/:@]*:)[^\s/@]+(@)")
# Authorization values and Posta's own API keys
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|bot|basic)\s+[A-Za-z0-9_.~+/=\-]{8,}")
_API_KEY = re.compile(r"\bposta_[A-Za-z0-9_\-]{20,}")


def redact(text: str) -> str:
    """``text`` with every credential it is known to be able to contain replaced by ``[redacted]``.

    Most fields of a log line can contain none, which is seen by what none of them is without.
    """
    if "/" in text:
        text = _DISCORD.sub(rf"\1{MASK}", text)
        text = _IN_URL.sub(rf"\1{MASK}\2", text)
    if len(text.split(None, 1)) > 1:
        text = _AUTHORIZATION.sub(rf"\1 {MASK}", text)
    if "posta_" in text:
        text = _API_KEY.sub(MASK, text)
    return text

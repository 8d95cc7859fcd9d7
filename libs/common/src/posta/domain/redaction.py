"""Takes secrets out of text that people or machines will keep: logs, failure headers, traces.

Webhook URLs and interaction tokens are credentials by themselves, and exceptions of HTTP libraries
quote the URL they failed on, so every free text passes through here before it is stored.
"""

import re

MASK = "[redacted]"

_PATTERNS = (
    # Discord: /webhooks/{id}/{token} and /interactions/{id}/{token}
    (re.compile(r"(/(?:webhooks|interactions)/\d+/)[A-Za-z0-9_.\-]+"), rf"\1{MASK}"),
    # user:password@host in any URL; \b keeps a long run of letters from being scanned at each of them
    (re.compile(r"(\b\w+://[^\s/:@]*:)[^\s/@]+(@)"), rf"\1{MASK}\2"),
    # Authorization values and Posta's own API keys
    (re.compile(r"(?i)\b(bearer|bot|basic)\s+[A-Za-z0-9_.~+/=\-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"\bposta_[A-Za-z0-9_\-]{20,}"), MASK),
)


_POSSIBLE = re.compile(r"[/\s]|posta_").search
"""What any text that a pattern matches contains: most fields of a log line do not, and cost one look."""


def redact(text: str) -> str:
    """``text`` with every credential it is known to be able to contain replaced by ``[redacted]``."""
    if _POSSIBLE(text) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text

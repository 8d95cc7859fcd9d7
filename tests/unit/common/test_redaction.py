"""Redaction: every credential that a text can quote goes, and nothing else."""

import pytest

from posta.domain.redaction import redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PATCH https://discord.com/api/v10/webhooks/1/aW50.ZX-J_x/messages/@original",
         "PATCH https://discord.com/api/v10/webhooks/1/[redacted]/messages/@original"),
        ("POST /api/v10/interactions/22/tok/callback", "POST /api/v10/interactions/22/[redacted]/callback"),
        ("postgresql://posta:p%40ss@127.0.0.1:5432/posta", "postgresql://posta:[redacted]@127.0.0.1:5432/posta"),
        ("Authorization: Bearer gsk_0123456789", "Authorization: Bearer [redacted]"),
        ("authorization: bot MTIzNDU2.abc-def", "authorization: bot [redacted]"),
        ("key posta_" + "a" * 43 + " refused", "key [redacted] refused"),
        ("BASIC\u2003dXNlcjpwYXNz", "BASIC [redacted]"),
        ("posta_" + "b" * 20, "[redacted]"),
        ("a://u:p@h", "a://u:[redacted]@h"),
        ("nothing secret at https://example.org/a/b", "nothing secret at https://example.org/a/b"),
    ],
)  # fmt: skip
def test_credentials_go_and_the_rest_stays(text, expected):
    assert redact(text) == expected

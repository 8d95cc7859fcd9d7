"""What one seed decides: the look-alike's signing key, its application id and its first webhooks.

Everything here is pure, so that the command line can write the services' configuration
before the sandbox has started.
"""

import base64
import hashlib
import hmac
from typing import NamedTuple

from nacl.signing import SigningKey

SEED_HEX_CHARS = 64
_SNOWFLAKE_BASE = 1_390_000_000_000_000_000
_SNOWFLAKE_SPAN = 9_000_000_000_000_000


class WebhookCredentials(NamedTuple):
    """The two secrets in a webhook's URL: its snowflake id and its 68 character token."""

    id: str
    token: str


def signing_key(seed_hex: str) -> SigningKey:
    """Return the Ed25519 key of a 32-byte seed given as 64 hex characters.

    Raises ValueError when the seed has another form.
    """
    try:
        seed = bytes.fromhex(seed_hex)
    except ValueError:
        seed = b""
    if len(seed_hex) != SEED_HEX_CHARS or len(seed) * 2 != SEED_HEX_CHARS:
        raise ValueError(f"the Discord seed must be {SEED_HEX_CHARS} hex characters (32 bytes)")
    return SigningKey(seed)


def public_key_hex(seed_hex: str) -> str:
    """Return the application's public key, as the Discord portal shows it (64 hex characters)."""
    return bytes(signing_key(seed_hex).verify_key).hex()


def application_id(seed_hex: str) -> str:
    """Return the application's snowflake id."""
    return _snowflake(seed_hex, "application")


def webhook_credentials(seed_hex: str, name: str) -> WebhookCredentials:
    """Return the id and token of the webhook with this name; the same seed gives the same ones."""
    digest = hmac.new(bytes.fromhex(seed_hex), f"webhook:{name}".encode(), hashlib.sha512).digest()
    token = base64.urlsafe_b64encode(digest).decode().rstrip("=")[:68]
    return WebhookCredentials(_snowflake(seed_hex, f"webhook:{name}"), token)


def webhook_url(base_url: str, seed_hex: str, name: str) -> str:
    """Return the URL (a secret) of the webhook with this name.

    base_url is the sandbox's own address, such as ``http://127.0.0.1:8081``.
    """
    webhook = webhook_credentials(seed_hex, name)
    return f"{base_url.rstrip('/')}/api/v10/webhooks/{webhook.id}/{webhook.token}"


def named_snowflake(kind: str, name: str) -> str:
    """Return a stable snowflake for something known by name only (a user, a channel, a guild)."""
    return _snowflake("", f"{kind}:{name}")


def _snowflake(seed_hex: str, purpose: str) -> str:
    digest = hashlib.sha256(f"{seed_hex}/{purpose}".encode()).digest()
    return str(_SNOWFLAKE_BASE + int.from_bytes(digest[:8]) % _SNOWFLAKE_SPAN)

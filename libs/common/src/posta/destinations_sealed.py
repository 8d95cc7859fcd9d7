"""A webhook's URL as it may be kept: checked for where it leads, and encrypted with a key of the deployment.

The check is an allow-list of hosts, so no name has to be resolved to know that a URL cannot reach
into the network it is called from. NaCl's SecretBox (XSalsa20-Poly1305) seals; the destination's id
is sealed with the URL, so that one row's secret cannot be put into another's.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from pydantic import SecretStr

from posta.errors import ConfigurationError

KEY_VARIABLE = "POSTA_DESTINATIONS__KEY"
HOSTS_VARIABLE = "POSTA_DESTINATIONS__HOSTS"
DISCORD_HOSTS = frozenset({"discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"})
_PATH = re.compile(r"(?:/[A-Za-z0-9._/\-]*)?/webhooks/(?P<id>\d{1,20})/(?P<token>[A-Za-z0-9_\-]{1,200})/?")
_KEY_HEX = re.compile(r"[0-9a-fA-F]{64}")


class RefusedUrl(ValueError):
    """The URL may not be registered; the message says why and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class WebhookUrl:
    """A checked URL and the id in it, which is no secret."""

    url: SecretStr = field(repr=False)
    webhook_id: str


def checked_url(url: str, *, more_hosts: frozenset[str] = frozenset()) -> WebhookUrl:
    """The URL of a Discord webhook. Raises ``RefusedUrl``.

    Only ``https`` to Discord's own hosts at the usual port, unless ``more_hosts`` names the host as
    ``host`` or ``host:port``; those may be ``http``, too (a sandbox, a proxy inside a closed network).
    """
    try:
        parts = urlsplit(url.strip())
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        raise RefusedUrl("is no URL") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise RefusedUrl("must hold no credentials, query or fragment")
    is_extra = host in more_hosts or f"{host}:{port}" in more_hosts
    if not is_extra and host not in DISCORD_HOSTS:
        raise RefusedUrl(
            "does not lead to Discord; name the host in POSTA_DESTINATIONS__HOSTS if it must be reached"
        )
    if not is_extra and (parts.scheme != "https" or port not in (None, 443)):
        raise RefusedUrl("must begin with https:// and name no other port than 443")
    if parts.scheme not in {"http", "https"}:
        raise RefusedUrl("must begin with https://")
    found = _PATH.fullmatch(parts.path)
    if found is None:
        raise RefusedUrl("is no webhook's: https://discord.com/api/webhooks/<id>/<token> is the form")
    return WebhookUrl(SecretStr(url.strip()), found["id"])


def hosts_of(text: str) -> frozenset[str]:
    """The hosts of a comma list."""
    return frozenset(host.strip().lower() for host in text.split(",") if host.strip())


class Seal:
    """Encrypts and decrypts with one key."""

    def __init__(self, key: bytes) -> None:
        self._box = SecretBox(key)

    @classmethod
    def of(cls, key: SecretStr) -> "Seal | None":
        """The seal of a key in 64 hex digits; None when none is set. Raises ``ConfigurationError``."""
        text = key.get_secret_value().strip()
        if not text:
            return None
        if not _KEY_HEX.fullmatch(text):
            raise ConfigurationError(f"environment: {KEY_VARIABLE}: must be 64 hex digits (32 bytes)")
        return cls(bytes.fromhex(text))

    def close(self, destination_id: str, url: SecretStr) -> bytes:
        """The URL, encrypted for this destination."""
        return bytes(self._box.encrypt(f"{destination_id}\n{url.get_secret_value()}".encode()))

    def open(self, destination_id: str, sealed: bytes) -> SecretStr | None:
        """The URL; None when it was sealed with another key, for another destination, or was changed."""
        try:
            sealed_for, _, url = self._box.decrypt(sealed).decode().partition("\n")
        except (CryptoError, ValueError):
            return None
        return SecretStr(url) if sealed_for == destination_id else None

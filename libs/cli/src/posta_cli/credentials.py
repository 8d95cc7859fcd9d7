"""The secrets a system makes for itself once: two API keys, the sandbox's Discord key pair, the mailbox."""

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass

from posta_cli.errors import UnusableHomeError
from posta_cli.home import Home, unusable, write_private

SCRIPTS_SCOPES = ("events:publish",)
ADMIN_SCOPES = (
    "dlq:read",
    "dlq:inspect",
    "dlq:write",
    "engine:operate",
    "engine:read",
    "events:publish",
    "events:read",
    "governor:read",
    "interactions:read",
    "pull:consume",
    "pull:operate",
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Credentials:
    """Generated secrets; never printed whole (no repr) and kept with mode 0600."""

    scripts_key: str
    """API key for publishing events."""
    admin_key: str
    """API key for the dead-letter console and the engines."""
    discord_seed: str
    """Ed25519 seed of the look-alike Discord, 32 bytes as hex."""
    application_id: str
    """Discord application id, a made-up snowflake."""
    mail_address: str
    """The mailbox Posta answers for."""
    mail_password: str
    """Its password at the embedded mail server."""
    llm_key: str
    """Bearer token sent to the look-alike LLM."""


def generate() -> Credentials:
    """Make new secrets from the operating system's randomness."""
    return Credentials(
        scripts_key=_api_key(),
        admin_key=_api_key(),
        discord_seed=secrets.token_hex(32),
        application_id=str(10**18 + secrets.randbelow(10**17)),
        mail_address="posta@posta.test",
        mail_password=secrets.token_urlsafe(18),
        llm_key=secrets.token_urlsafe(24),
    )


def load_or_generate(home: Home) -> Credentials:
    """Return the secrets of this home, made and kept at the first call.

    Raises UnusableHomeError when the file is there and cannot be understood: replacing it silently
    would lock out every script that holds one of its keys.
    """
    try:
        document = json.loads(home.secrets_file.read_text(encoding="utf-8"))
        return Credentials(**document)
    except FileNotFoundError:
        made = generate()
        write_private(home, home.secrets_file, asdict(made))
        return made
    except OSError as exc:
        raise unusable(home, exc) from exc
    except (ValueError, TypeError) as exc:
        raise UnusableHomeError(
            f"{home.secrets_file} is damaged.",
            "Restore it, or remove it: new keys are made and the old ones stop working"
            " (wipe the data too, the mailbox has the old password).",
        ) from exc


def api_keys_value(credentials: Credentials) -> str:
    """Return `POSTA_API_KEYS`: name:scope+scope:sha256 of each key, comma separated."""
    entries = (
        ("scripts", SCRIPTS_SCOPES, credentials.scripts_key),
        ("admin", ADMIN_SCOPES, credentials.admin_key),
    )
    return ",".join(f"{name}:{'+'.join(scopes)}:{_sha256(key)}" for name, scopes, key in entries)


def destinations_key(credentials: Credentials) -> str:
    """Return the key that webhooks' URLs are encrypted with, 64 hex digits; it follows from the seed."""
    return hmac.new(bytes.fromhex(credentials.discord_seed), b"destinations", hashlib.sha256).hexdigest()


def bot_token(credentials: Credentials) -> str:
    """Return the bot's token at the look-alike Discord, which takes any."""
    return hmac.new(bytes.fromhex(credentials.discord_seed), b"bot", hashlib.sha256).hexdigest()


def _api_key() -> str:
    return f"posta_{secrets.token_urlsafe(32)}"


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()

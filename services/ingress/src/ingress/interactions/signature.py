"""Whether a request was signed by Discord a moment ago: Ed25519 over timestamp and raw body.

Every fault gets the same answer, 401: Discord probes endpoints with bad signatures on purpose and
removes those that answer anything else (interactions overview, "Security and authorization").
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

TOLERANCE_S = 300
"""How far the timestamp may be from our clock; Discord documents none, so this bounds replays."""

# Strict, although bytes.fromhex is not: one signature has one spelling.
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_APPLICATION = re.compile(r"[0-9]{5,20}")
_KEY = re.compile(r"[0-9a-fA-F]{64}")


class Fault(StrEnum):
    """Why a signature is not accepted; told to metrics, never to the sender."""

    MISSING = "signature_missing"
    MALFORMED = "signature_malformed"
    WRONG = "signature_wrong"
    STALE = "timestamp_stale"
    APPLICATION = "application_wrong"
    """Signed by another application of this deployment than the one it claims to come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """One key, and the application it signs for; without one it signs for any."""

    verifier: VerifyKey
    application_id: str | None = None


def parse_public_keys(text: str) -> tuple[PublicKey, ...]:
    """The keys of a comma-separated list, each ``key`` or ``application id:key``.

    Raises ``ValueError`` with the number of the bad entry. Checked at start, because a wrong key would
    otherwise only show as 401 for every request.
    """
    keys = []
    for number, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
        application, _, key = entry.rpartition(":")
        if application and not _APPLICATION.fullmatch(application):
            raise ValueError(f"entry {number} begins with no application id: 5 to 20 digits, then ':'")
        if not _KEY.fullmatch(key):
            raise ValueError(f"entry {number} is not an Ed25519 public key: 64 hex digits (32 bytes)")
        raw = bytes.fromhex(key)
        if not crypto_core_ed25519_is_valid_point(raw):
            raise ValueError(f"entry {number} is not an Ed25519 public key: no point of the curve")
        keys.append(PublicKey(verifier=VerifyKey(raw), application_id=application or None))
    if not keys:
        raise ValueError("at least one public key is needed: the developer portal shows it")
    return tuple(keys)


def signer_of(
    keys: tuple[PublicKey, ...],
    *,
    signature: str | None,
    timestamp: str | None,
    body: bytes,
    now: float,
) -> PublicKey | Fault:
    """The key that signed the request, or what is wrong with it; ``now`` in Unix seconds."""
    if not signature or not timestamp:
        return Fault.MISSING
    if not _SIGNATURE.fullmatch(signature) or not _TIMESTAMP.fullmatch(timestamp):
        return Fault.MALFORMED
    message = timestamp.encode("ascii") + body
    proof = bytes.fromhex(signature)
    signer = next((key for key in keys if _verifies(key.verifier, message, proof)), None)
    if signer is None:
        return Fault.WRONG
    if abs(now - int(timestamp)) > TOLERANCE_S:
        return Fault.STALE
    return signer


def _verifies(key: VerifyKey, message: bytes, proof: bytes) -> bool:
    try:
        key.verify(message, proof)
    except BadSignatureError:
        return False
    return True

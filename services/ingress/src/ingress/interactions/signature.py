"""Whether a request was signed by Discord a moment ago: Ed25519 over timestamp and raw body.

Every fault gets the same answer, 401: Discord probes endpoints with bad signatures on purpose and
removes those that answer anything else (interactions overview, "Security and authorization").
"""

import re
from enum import StrEnum

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

TOLERANCE_S = 300
"""How far the timestamp may be from our clock; Discord documents none, so this bounds replays."""

# Strict, although bytes.fromhex is not: one signature has one spelling.
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_KEY = re.compile(r"[0-9a-fA-F]{64}")


class Fault(StrEnum):
    """Why a signature is not accepted; told to metrics, never to the sender."""

    MISSING = "signature_missing"
    MALFORMED = "signature_malformed"
    WRONG = "signature_wrong"
    STALE = "timestamp_stale"


def parse_public_keys(text: str) -> tuple[VerifyKey, ...]:
    """The keys of a comma-separated list. Raises ``ValueError`` with the number of the bad entry.

    Checked at start, because a wrong key would otherwise only show as 401 for every request.
    """
    keys = []
    for number, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
        if not _KEY.fullmatch(entry):
            raise ValueError(f"entry {number} is not an Ed25519 public key: 64 hex digits (32 bytes)")
        raw = bytes.fromhex(entry)
        if not crypto_core_ed25519_is_valid_point(raw):
            raise ValueError(f"entry {number} is not an Ed25519 public key: no point of the curve")
        keys.append(VerifyKey(raw))
    if not keys:
        raise ValueError("at least one public key is needed: the developer portal shows it")
    return tuple(keys)


def signature_fault(
    keys: tuple[VerifyKey, ...],
    *,
    signature: str | None,
    timestamp: str | None,
    body: bytes,
    now: float,
) -> Fault | None:
    """What is wrong with the request's signature, or None; ``now`` in Unix seconds."""
    if not signature or not timestamp:
        return Fault.MISSING
    if not _SIGNATURE.fullmatch(signature) or not _TIMESTAMP.fullmatch(timestamp):
        return Fault.MALFORMED
    message = timestamp.encode("ascii") + body
    proof = bytes.fromhex(signature)
    if not any(_verifies(key, message, proof) for key in keys):
        return Fault.WRONG
    if abs(now - int(timestamp)) > TOLERANCE_S:
        return Fault.STALE
    return None


def _verifies(key: VerifyKey, message: bytes, proof: bytes) -> bool:
    try:
        key.verify(message, proof)
    except BadSignatureError:
        return False
    return True

"""PURE: what an IMAP server's answers mean: which of its refusals pass, and what a FETCH line says."""

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto

_CODE = re.compile(r"\[([A-Z-]+)[^\]]*\]", re.IGNORECASE)
_WAIT = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "OVERQUOTA", "SERVERBUG"})
_STOP = frozenset(
    {
        "AUTHENTICATIONFAILED",
        "AUTHORIZATIONFAILED",
        "EXPIRED",
        "PRIVACYREQUIRED",
        "CONTACTADMIN",
        "NOPERM",
        "NONEXISTENT",
        "TRYCREATE",
    }
)
_UID = re.compile(rb"\bUID (\d+)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")


class Refusal(Enum):
    """What a NO or BAD asks of us."""

    WAIT = auto()
    """It passes by itself (RFC 5530: UNAVAILABLE, INUSE, LIMIT, OVERQUOTA, SERVERBUG)."""
    STOP = auto()
    """A person has to change something: the password, a right, the mailbox's name."""


def refusal(text: str, *, otherwise: Refusal) -> Refusal:
    """The meaning of the server's ``text`` by its response code (RFC 5530), or ``otherwise`` without one."""
    for code in _CODE.findall(text):
        if code.upper() in _WAIT:
            return Refusal.WAIT
        if code.upper() in _STOP:
            return Refusal.STOP
    return otherwise


def uid_set(uids: Iterable[int]) -> str:
    """The UIDs in IMAP's short form, such as ``3:5,9`` (RFC 3501 §9, sequence-set)."""
    runs: list[tuple[int, int]] = []
    for uid in sorted(set(uids)):
        if runs and uid == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], uid)
        else:
            runs.append((uid, uid))
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs)


FetchData = Sequence[bytes | tuple[bytes, bytes] | None]
"""imaplib's form of FETCH answers: a line, or a line up to a literal with that literal."""


def sizes_in(data: FetchData) -> dict[int, int]:
    """RFC822.SIZE in bytes by UID."""
    found = {}
    for item in data:
        line = item[0] if isinstance(item, tuple) else item
        if line is None:
            continue
        uid, size = _UID.search(line), _SIZE.search(line)
        if uid and size:
            found[int(uid[1])] = int(size[1])
    return found


def literal_of(data: FetchData, uid: int) -> bytes | None:
    """The literal that belongs to ``uid``, or None when the message is gone.

    A server may answer about other messages in between, and may name the UID behind the literal.
    """
    for at, item in enumerate(data):
        if not isinstance(item, tuple):
            continue
        after = data[at + 1] if at + 1 < len(data) else b""
        line = item[0] + b" " + (after if isinstance(after, bytes) else b"")
        named = _UID.search(line)
        if named and int(named[1]) == uid:
            return item[1]
    return None

"""Which quotas a message must fit into: its person's, conversation's, server's and command's. PURE."""

import hashlib
from dataclasses import dataclass

from ingress.interactions.answers import Notice
from ingress.interactions.decision import KeepThenAnswer
from ingress.limits.window import Quota, Request

_MINUTE_S = 60.0
# Of an enum's member, a value is looked up by a call each time.
_REPEATED, _TOO_OFTEN = Notice.REPEATED.value, Notice.TOO_OFTEN.value


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPolicy:
    """How often people may ask, in any minute; 0 switches a limit off."""

    per_conversation: int = 10
    per_user: int = 20
    per_guild: int = 300
    dedupe_window_ms: int = 5000
    """The same text in the same conversation within this is taken once."""

    def request(self, message: KeepThenAnswer) -> Request:
        """Everything ``message`` must fit into; a repetition is told before a limit."""
        quotas = []
        conversation, person = message.conversation, message.person
        if self.dedupe_window_ms:
            digest = hashlib.sha256(f"{message.name}\n{message.text.casefold()}".encode()).hexdigest()[:32]
            key, window_s = f"text:{conversation}:{digest}", self.dedupe_window_ms / 1000
            quotas.append(Quota(key, 1, window_s, _REPEATED))
        if self.per_conversation:
            quotas.append(_minute(f"conversation:{conversation}", self.per_conversation))
        if self.per_user:
            quotas.append(_minute(f"user:{person}", self.per_user))
        if self.per_guild and message.guild:
            quotas.append(_minute(f"guild:{message.guild}", self.per_guild))
        if message.per_user_per_minute:
            quotas.append(_minute(f"command:{message.name}:{person}", message.per_user_per_minute))
        return tuple(quotas)


def _minute(key: str, limit: int) -> Quota:
    return Quota(key, limit, _MINUTE_S, _TOO_OFTEN)

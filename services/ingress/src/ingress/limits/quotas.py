"""Which quotas a message must fit into: its person's, conversation's, server's and command's. PURE."""

import hashlib
from dataclasses import dataclass

from ingress.interactions.answers import Notice
from ingress.interactions.decision import KeepThenAnswer
from ingress.limits.window import Quota, Request

_MINUTE_S = 60.0


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
        if self.dedupe_window_ms:
            digest = hashlib.sha256(f"{message.name}\n{message.text.casefold()}".encode()).hexdigest()[:32]
            quotas.append(
                Quota(
                    key=f"text:{message.conversation}:{digest}",
                    limit=1,
                    window_s=self.dedupe_window_ms / 1000,
                    reason=Notice.REPEATED.value,
                )
            )
        limits = [
            (f"conversation:{message.conversation}", self.per_conversation),
            (f"user:{message.person}", self.per_user),
            (f"guild:{message.guild}", self.per_guild if message.guild else 0),
            (f"command:{message.name}:{message.person}", message.per_user_per_minute or 0),
        ]
        quotas += [
            Quota(key=key, limit=limit, window_s=_MINUTE_S, reason=Notice.TOO_OFTEN.value)
            for key, limit in limits
            if limit
        ]
        return tuple(quotas)

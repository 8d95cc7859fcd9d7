"""How long each medium waits between attempts: a person's minutes, a channel's hours, mail's day.

Pure. One policy holds for the group; a medium that may take longer asks for more as a retry-after.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from posta.domain.backoff import Table
from posta.domain.retry import RetryPolicy
from posta.errors import Transient, Unavailable

DELIVERY_DELAYS_S = (1.0, 2.0, 5.0, 10.0)
"""The first waits of every delivery to Discord, as users of earlier systems know them."""
_ANSWER = Table(delays_s=(*DELIVERY_DELAYS_S, 30.0, 120.0))
DEFAULT_RETRIES = 7


def retry_policy(max_retries: int) -> RetryPolicy:
    """So many attempts after the first; seven take five minutes: what an answer's token may have left."""
    return RetryPolicy(max_attempts=max_retries + 1, backoff=_ANSWER)


_WEBHOOK = Table(delays_s=(*DELIVERY_DELAYS_S, 600.0, 1800.0, 3600.0))
"""More than an hour and a half: a channel wants its events even after Discord was away."""
_EMAIL = Table(delays_s=(5.0, 30.0, 120.0, 600.0, 3600.0, 4 * 3600.0, 12 * 3600.0))
"""About seventeen hours. RFC 5321 §4.5.4.1 wants long intervals, greylisting a first short one."""


def webhook_retry_s(attempt: int) -> float:
    """Seconds from failed attempt number ``attempt`` of an event to the next."""
    return _WEBHOOK.delay_s(attempt, 0.0)


def mail_retry_s(attempt: int) -> float:
    """Seconds from failed attempt number ``attempt`` of a mail to the next."""
    return _EMAIL.delay_s(attempt, 0.0)


@contextmanager
def at_least(wait_s: float) -> Iterator[None]:
    """Make a transient failure in the block ask for a wait of ``wait_s`` seconds or more."""
    try:
        yield
    except Unavailable:
        raise
    except Transient as exc:
        exc.retry_after_s = max(exc.retry_after_s or 0.0, wait_s)
        raise

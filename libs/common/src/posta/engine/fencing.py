"""Notices that another process has taken this static member's place in its group.

    member ──▶ the coordinator knows us no more ──▶ joins again ──▶ forgotten again at once ──▶ fenced
                    (it may have taken us for dead)                  (nobody expires that fast)

aiokafka 0.14 names its instance id only when it joins, so a replaced member is not told
FENCED_INSTANCE_ID by a heartbeat or a commit: it is *unknown*, joins again, and so replaces the
other. Two processes with one id would do that in turns for ever. The older of them finds out first.
"""

import time
from collections.abc import Callable

from aiokafka.errors import BrokerResponseError, kafka_errors

from posta.errors import ConfigurationError
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


class FencedInstanceId(BrokerResponseError):  # type: ignore[misc] # aiokafka has no types
    """Kafka's error 82: the instance id belongs to a member that joined later."""

    errno = 82
    message = "FENCED_INSTANCE_ID"


# aiokafka makes of a number it does not know an UnknownError that says nothing.
kafka_errors.setdefault(FencedInstanceId.errno, FencedInstanceId)


class Fencing:
    """One engine's eye on its own instance id; without an id it sees nothing."""

    def __init__(
        self,
        group: str,
        instance_id: str | None,
        *,
        session_timeout_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._group = group
        self._instance_id = instance_id
        self._session_timeout_s = session_timeout_s
        self._clock = clock
        self._joined_at: float | None = None
        self._losses = 0
        self._fenced = False

    def joined(self) -> None:
        """The group gave us an assignment."""
        self._joined_at = self._clock()

    def forgotten(self) -> None:
        """The coordinator said that it does not know us."""
        self._losses += 1
        if self._losses > 1 and self._joined_at is not None:
            # A member that the coordinator heard a moment ago cannot have timed out.
            self._fenced |= self._clock() - self._joined_at < self._session_timeout_s

    def failed(self, error: Exception) -> None:
        """The client failed with ``error``; aiokafka wraps the broker's error into its text."""
        self._fenced |= isinstance(error, FencedInstanceId) or FencedInstanceId.__name__ in str(error)

    @property
    def is_fenced(self) -> bool:
        """Whether another process is the member that we were."""
        return self._instance_id is not None and self._fenced

    def check(self) -> None:
        """Raise ``ConfigurationError`` once it is fenced."""
        if not self.is_fenced:
            return
        log.error("member_fenced", group=self._group, instance_id=self._instance_id)
        raise ConfigurationError(
            f"POSTA_KAFKA__GROUP_INSTANCE_ID: another process is the member {self._instance_id!r} of group "
            f"{self._group} now; give each process an id of its own"
        )

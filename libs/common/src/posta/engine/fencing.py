"""Notices that another process has taken this static member's place in its group.

    member ──the coordinator knows us no more──▶ who has our instance id now?
                                                   nobody, or we ourselves    ──▶ join again
                                                   a process started later    ──▶ fenced, for good
                                                   one that was there earlier ──▶ join again; it is fenced

aiokafka 0.14 names its instance id only when it joins, so a replaced member is not told FENCED_INSTANCE_ID
by a heartbeat or a commit: it is *unknown*, and so is one that was taken for dead. Two processes with one
id would replace each other in turns for ever. And who took our place may be ourselves or our dead
predecessor: a join that a slow coordinator carried out late. So it is asked, never inferred.
"""

import time
import uuid

from aiokafka.errors import BrokerResponseError, kafka_errors

from posta.engine.assignor import Process
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

    def __init__(self, group: str, instance_id: str | None) -> None:
        self._group = group
        self.process = None if instance_id is None else Process(instance_id, time.time_ns(), uuid.uuid4().hex)
        """Who this engine is as a static member."""
        self.was_member = False
        """Who never was one takes the place without a question, as a restart does."""
        self._fenced = False

    def joined(self) -> None:
        """The group gave us an assignment."""
        self.was_member = True

    def held_by(self, holder: Process | None) -> None:
        """The group knows ``holder`` by our instance id now; None: nobody, or it cannot be told."""
        if self.process is not None and holder is not None:
            self._fenced |= holder.succeeds(self.process)

    @property
    def is_fenced(self) -> bool:
        """Whether another process is the member that we were."""
        return self._fenced

    def check(self) -> None:
        """Raise ``ConfigurationError`` once it is fenced."""
        if not self.is_fenced or self.process is None:
            return
        log.error("member_fenced", group=self._group, instance_id=self.process.instance_id)
        raise ConfigurationError(
            "POSTA_KAFKA__GROUP_INSTANCE_ID: another process is the member "
            f"{self.process.instance_id!r} of group {self._group} now; give each process an id of its own"
        )

"""Events that many scripts publish, ready made: one method each, with the same names and keys everywhere."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from posta_client.event import Options

R_co = TypeVar("R_co", covariant=True)
BACKUP = "backup"
MINECRAFT = "minecraft"


class ReadyMade(Generic[R_co]):
    """The ready-made events of a publisher, whose ``publish`` returns a receipt or what awaits one."""

    def publish(
        self,
        type_: str,
        data: object = None,
        options: Options | None = None,
        *,
        budget_s: float | None = None,
        strict: bool = False,
    ) -> R_co:
        """See the publishers."""
        raise NotImplementedError

    def publish_backup_error(self, name: str, error: object, **details: Any) -> R_co:
        """The backup ``name`` failed. A later success of it edits this message."""
        data = {"job": name, "error": str(error), "severity": "error"}
        return self.publish("backup.failed", data | details, _thread(BACKUP, name))

    def publish_backup_success(self, name: str, **details: Any) -> R_co:
        """The backup ``name`` is done; ``details`` such as ``size`` or ``duration_s`` are shown."""
        data = {"job": name, "severity": "success"}
        return self.publish("backup.succeeded", data | details, _thread(BACKUP, name))

    def publish_minecraft_status(
        self, server: str, *, online: bool, players: int | None = None, **details: Any
    ) -> R_co:
        """A game server is up or down; one message per server is kept up to date."""
        data: dict[str, Any] = {
            "severity": "success" if online else "error",
            "server": server,
            "online": online,
        }
        if players is not None:
            data["players"] = players
        return self.publish("minecraft.status", data | details, _thread(MINECRAFT, server))

    def publish_error(self, user_id: object, text: object, details: Mapping[str, Any] | None = None) -> R_co:
        """Something went wrong for a person; the same text again is counted on the message that is there."""
        data = {"message": str(text), "severity": "error", "user_id": str(user_id)}
        return self.publish(
            "error.reported",
            data | dict(details or {}),
            Options(subject=str(user_id), dedupe_key=f"error/{user_id}/{str(text)[:120]}"),
        )


def _thread(kind: str, name: str) -> Options:
    return Options(subject=name, thread_key=f"{kind}/{name}")

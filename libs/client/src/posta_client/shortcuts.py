"""One-line publishing: functions that use a publisher made from the environment at the first call."""

import threading
from typing import Any

from posta_client.event import Options
from posta_client.publisher import Publisher
from posta_client.receipt import Receipt

_guard = threading.Lock()
_publisher: Publisher | None = None


def default_publisher() -> Publisher:
    """The publisher that the functions here share."""
    global _publisher  # noqa: PLW0603 - the one thing that is shared, behind its lock
    with _guard:
        if _publisher is None:
            _publisher = Publisher()
        return _publisher


def use_publisher(publisher: Publisher | None) -> None:
    """Let the functions here use this one; None: make one from the environment at the next call."""
    global _publisher  # noqa: PLW0603 - see above
    with _guard:
        _publisher = publisher


def publish(
    type_: str, data: object = None, options: Options | None = None, *, strict: bool = False
) -> Receipt:
    """See ``Publisher.publish``."""
    return default_publisher().publish(type_, data, options, strict=strict)


def publish_backup_error(name: str, error: object, **details: Any) -> Receipt:
    """See ``Publisher.publish_backup_error``."""
    return default_publisher().publish_backup_error(name, error, **details)


def publish_backup_success(name: str, **details: Any) -> Receipt:
    """See ``Publisher.publish_backup_success``."""
    return default_publisher().publish_backup_success(name, **details)


def publish_minecraft_status(
    server: str, *, online: bool, players: int | None = None, **details: Any
) -> Receipt:
    """See ``Publisher.publish_minecraft_status``."""
    return default_publisher().publish_minecraft_status(server, online=online, players=players, **details)


def notificar_error_general(user_id: object, text: object, *_ignored: object, **details: Any) -> bool:
    """The name and first arguments that older scripts call; whether the event is sent or kept.

    Further positional arguments are passed over, named ones are shown with the event.
    """
    return default_publisher().publish_error(user_id, text, details).is_safe

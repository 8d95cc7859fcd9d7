from posta_client.async_publisher import AsyncPublisher
from posta_client.event import Options
from posta_client.publisher import Publisher
from posta_client.receipt import NotPublished, Receipt, State
from posta_client.settings import Settings, from_environment
from posta_client.shortcuts import (
    notificar_error_general,
    publish,
    publish_backup_error,
    publish_backup_success,
    publish_minecraft_status,
)

__all__ = [
    "AsyncPublisher",
    "NotPublished",
    "Options",
    "Publisher",
    "Receipt",
    "Settings",
    "State",
    "from_environment",
    "notificar_error_general",
    "publish",
    "publish_backup_error",
    "publish_backup_success",
    "publish_minecraft_status",
]

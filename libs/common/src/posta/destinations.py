"""Where published events may go: ``destinations.yaml``, which ingress checks and notifier delivers by.

The file names the variable that holds a webhook's URL, never the URL: it is a credential.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from posta.domain.language import Language
from posta.errors import ConfigurationError
from posta.rules_file import read_rules

FILE_NAME = "destinations.yaml"

DestinationId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.\-]{0,62}$")]
"""Names a destination; also the Kafka key of all that goes there."""

_URL_PATH = re.compile(r"(/[^?#]*)?/webhooks/\d+/[A-Za-z0-9_\-]+/?")


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FromEnvironment(_Rules):
    """A value that an environment variable holds."""

    env: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
    """Name of the variable; ``<name>_FILE`` may name a file with the value instead."""


class Destination(_Rules):
    """One place that events are shown at."""

    description: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    webhook_url: FromEnvironment | None = None
    """A Discord webhook, which notifier posts through."""
    pull: bool = False
    """A mailbox that a bot empties at its own pace, through the Pull API of ingress."""
    thread_id: Annotated[str, StringConstraints(pattern=r"^\d{1,20}$")] | None = None
    """Post into this thread of the webhook's channel."""
    language: Language = "en"
    """The language of its messages."""
    owner: DestinationId | None = None
    """The destination that is told when this one is disabled; the default one when left out."""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if self.pull == (self.webhook_url is not None):
            raise ValueError("give either webhook_url or pull: true")
        return self


class Destinations(_Rules):
    """Every destination, by its id."""

    default: DestinationId | None = None
    """Where an event goes that names no destination; without it, naming one is required."""
    destinations: Annotated[dict[DestinationId, Destination], Field(min_length=1)]

    @model_validator(mode="after")
    def _default_exists(self) -> Self:
        if self.default is not None and self.default not in self.destinations:
            raise ValueError(f"default {self.default!r} is not among the destinations")
        return self

    def get(self, destination_id: str) -> Destination | None:
        """The destination of that id, or None."""
        return self.destinations.get(destination_id)

    @property
    def mailboxes(self) -> frozenset[str]:
        """The ids of the destinations that bots poll."""
        return frozenset(name for name, destination in self.destinations.items() if destination.pull)

    def resolve_webhooks(self, environ: Mapping[str, str]) -> dict[str, SecretStr]:
        """The webhook URL of each destination id that has one; only the notifier needs, and may know, them.

        Raises ``ConfigurationError`` naming each variable that is unset or holds no webhook URL.
        """
        found, faults = {}, []
        for name, destination in self.destinations.items():
            if destination.webhook_url is None:
                continue
            variable = destination.webhook_url.env
            url = environ.get(variable, "").strip()
            reason = _fault(url)
            if reason is None:
                found[name] = SecretStr(url)
            else:
                faults.append(f"destinations/{name}/webhook_url: {variable} {reason}")
        if faults:
            raise ConfigurationError(f"{FILE_NAME}: " + "; ".join(faults))
        return found


def load_destinations(path: Path) -> Destinations:
    """Read the file ``path``. Raises ``ConfigurationError`` naming file, path in it and reason."""
    return read_rules(path, Destinations)


def _fault(url: str) -> str | None:
    """What is wrong with a webhook URL, without quoting it."""
    if not url:
        return "is not set: it must hold the URL of a Discord webhook"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname is not None
    except ValueError:
        return "holds no URL"
    if not usable or not _URL_PATH.fullmatch(parts.path):
        return "holds no webhook URL: https://discord.com/api/webhooks/<id>/<token> is its form"
    return None

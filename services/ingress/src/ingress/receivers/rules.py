"""Which webhooks of other systems are received: ``receivers.yaml``.

The file names the variable that holds a signing secret, never the secret.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from ingress.receivers.mapping import BadTemplate, Template, parse_path
from posta.destinations import Destinations, FromEnvironment
from posta.errors import ConfigurationError
from posta.rules_file import read_rules

FILE_NAME = "receivers.yaml"
ReceiverName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Receiver(_Rules):
    destination: str | None = None
    """Where its events go; without it the key's own, or the default one."""


class Alertmanager(_Receiver):
    """Prometheus Alertmanager's webhook, authorised by an API key."""

    kind: Literal["alertmanager"]


class Grafana(_Receiver):
    """Grafana alerting's webhook contact point, authorised by an API key."""

    kind: Literal["grafana"]


class GitHub(_Receiver):
    """A GitHub webhook with content type application/json, authorised by its signature."""

    kind: Literal["github"]
    secret: FromEnvironment
    """The webhook's secret; while the variable is unset the receiver is off."""
    events: tuple[str, ...] = ()
    """``X-GitHub-Event`` names to pass on, such as ``push``; empty: all. Others are answered and dropped."""


class Choice(_Rules):
    """A value looked up in a table."""

    of: str
    """A template whose text is looked up."""
    table: dict[str, str]
    default: str

    @model_validator(mode="after")
    def _is_a_template(self) -> Self:
        _check_template(self.of)
        return self


Text = str | Choice


class Json(_Receiver):
    """Any JSON webhook, mapped field by field, authorised by an API key."""

    kind: Literal["json"]
    each: str | None = None
    """Path of a list in the body; each element becomes an event. Without it the body is one."""
    type: Text
    """A template such as ``uptime.{monitor.status}``; ``{a.b|default}`` where it may be missing."""
    source: Text | None = None
    subject: Text | None = None
    id: Text | None = None
    """What makes a repetition the same event; without it each request is new."""
    thread_key: Text | None = None
    dedupe_key: Text | None = None
    data: Annotated[dict[str, Text], Field(min_length=1)] | None = None
    """Fields to show; without it the body's own, whole."""

    @model_validator(mode="after")
    def _are_templates(self) -> Self:
        for text in (self.type, self.source, self.subject, self.id, self.thread_key, self.dedupe_key,
                     *(self.data or {}).values()):  # fmt: skip
            if isinstance(text, str):
                _check_template(text)
        if self.each is not None:
            _check_path(self.each)
        return self


Receiver = Annotated[
    Annotated[Alertmanager, Tag("alertmanager")]
    | Annotated[Grafana, Tag("grafana")]
    | Annotated[GitHub, Tag("github")]
    | Annotated[Json, Tag("json")],
    Discriminator("kind"),
]


class Receivers(_Rules):
    """Every receiver, by the name in its address."""

    receivers: dict[ReceiverName, Receiver] = Field(default_factory=dict)

    def check(self, destinations: Destinations, *, file: Path) -> None:
        """Raise ``ConfigurationError`` for a destination that does not exist."""
        for name, receiver in self.receivers.items():
            wanted = receiver.destination
            if wanted is not None and destinations.get(wanted) is None:
                raise ConfigurationError(
                    f"{file}: receivers/{name}/destination: {wanted!r:.80} is not in destinations.yaml"
                )

    def secrets(self, environ: Mapping[str, str]) -> dict[str, bytes]:
        """The signing secret of each receiver that has one; those whose variable is unset are missing."""
        found = {}
        for name, receiver in self.receivers.items():
            if isinstance(receiver, GitHub) and (secret := environ.get(receiver.secret.env, "").strip()):
                found[name] = secret.encode()
        return found


def load_receivers(path: Path) -> Receivers:
    """Read the file ``path``; none there: no receivers. Raises ``ConfigurationError``."""
    return read_rules(path, Receivers) if path.exists() else Receivers()


def _check_template(text: str) -> None:
    try:
        Template(text)
    except BadTemplate as exc:
        raise ValueError(str(exc)) from None


def _check_path(text: str) -> None:
    try:
        parse_path(text)
    except BadTemplate as exc:
        raise ValueError(str(exc)) from None

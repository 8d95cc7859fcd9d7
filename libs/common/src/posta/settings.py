"""Settings groups that several services share, read from the environment once, in ``__main__``.

Names follow ``POSTA_<GROUP>__<FIELD>``; a secret may also come from the file that
``POSTA_<GROUP>__<FIELD>_FILE`` names.
"""

import os
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from posta.domain.flood import FloodPolicy
from posta.earlier_names import adopt
from posta.errors import ConfigurationError

PREFIX = "POSTA_"
_PATH_SUFFIX = "_CA_FILE"
"""Ends the names of settings that are paths by themselves, not secrets in a file."""
_DATABASE_URL = re.compile(
    r"postgres(ql)?://([^@/?#]*@)?"
    r"(\[[^]@/?#]*]|[^]:,@/?#[]*)(:\d+)?(,(\[[^]@/?#]*]|[^]:,@/?#[]*)(:\d+)?)*"
    r"(/[^?#]*)?(\?[^=&#]+=[^&#]*(&[^=&#]+=[^&#]*)*)?"
)


class Group(BaseModel):
    """One group of settings; unknown names in it are mistakes and refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Group):
    """How to reach Kafka."""

    bootstrap_servers: str = "127.0.0.1:9092"
    """Comma-separated ``host:port`` list."""
    topic_prefix: str = ""
    """Put in front of every topic and group name, so that two systems can share a cluster."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How connections are encrypted and authenticated; ``PLAINTEXT`` only inside a closed network."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the login is proven, with a ``SASL_…`` protocol."""
    sasl_username: str | None = None
    """Login name, with a ``SASL_…`` protocol."""
    sasl_password: SecretStr | None = None
    """Password of that login."""
    ssl_ca_file: Path | None = None
    """Certificates to trust instead of the system's, in PEM, with ``SSL`` or ``SASL_SSL``."""
    partitions: int = Field(default=4, ge=1, le=1000)
    """Partitions of each topic when it is created."""
    replication_factor: int = Field(default=1, ge=1, le=9)
    """Copies of each topic when it is created; 3 in production."""
    session_timeout_s: float = Field(default=10.0, ge=1, le=300)
    """A member silent for so long is taken for dead and its partitions go to others."""
    group_instance_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,200}$")
    """Makes this process a *static* member of its group: a restart within ``session_timeout_s`` gets its
    partitions back without a rebalance. Each process needs an id of its own, such as its pod's name in a
    StatefulSet."""
    request_timeout_s: float = Field(default=10.0, gt=0, le=120)
    """How long one publish may take before its outcome counts as unknown."""


class DatabaseSettings(Group):
    """How to reach PostgreSQL."""

    url: SecretStr = SecretStr("postgresql://posta@127.0.0.1:5432/posta")
    """``postgresql://user:password@host:port/database``; percent-encode what is special in a URL."""
    pool_min: int = Field(default=1, ge=0, le=100)
    """Connections kept open while nothing happens."""
    pool_max: int = Field(default=8, ge=1, le=100)
    """Most connections of one process; all processes together must fit PostgreSQL's ``max_connections``."""
    command_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """Seconds for one statement; after that the database counts as away."""

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: SecretStr) -> SecretStr:
        # The driver would quote a piece of the password while it complains about the rest.
        if not _DATABASE_URL.fullmatch(url.get_secret_value()):
            raise ValueError(
                "must be postgresql://user:password@host:port/database; "
                "percent-encode what is special in a URL, such as #, / or @ in the password"
            )
        return url


class HttpSettings(Group):
    """Where the service's own HTTP server listens."""

    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` inside a container."""
    port: int = Field(default=8080, ge=0, le=65535)
    """0: a free port, named in the log."""
    metrics_enabled: bool = True
    """Off: ``/metrics`` answers 404."""


class LogSettings(Group):
    """What is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is written."""

    sampled_per_s: int = Field(default=100, ge=0)
    """Lines of one event name that are written in full each second; beyond them one in a hundred, which says
    how many were ``omitted``. Errors are always written. 0: everything is."""


class ShutdownSettings(Group):
    """How the service ends."""

    grace_s: float = Field(default=10.0, gt=0, le=600)
    """From SIGTERM to exit: what is in flight is finished or handed back within it."""


class WatchdogSettings(Group):
    """When an event loop that does not run is noticed."""

    stall_s: float = Field(default=10.0, ge=1, le=3600)
    """So long without a tick the stacks are logged, once."""
    exit_after_s: float = Field(default=60.0, ge=0, le=3600)
    """So long without a tick the process ends with code 70, to be started anew; 0: never."""


class EngineSettings(Group):
    """When a group pauses instead of emptying its topics into the dead letters: its flood breaker."""

    flood_breaker: bool = True
    """Off: every record that is given up becomes a dead letter."""
    flood_in_a_row: int = Field(default=50, ge=0, le=1_000_000)
    """Deaths without a success between them that trip it; 0: no such rule."""
    flood_share: float = Field(default=0.5, ge=0, le=1)
    """Share of deaths among the records that ended within the window; 0: no such rule."""
    flood_at_least: int = Field(default=50, ge=1, le=1_000_000)
    """Fewer ended records within the window say nothing about a share."""
    flood_window_s: float = Field(default=60.0, gt=0, le=86_400)
    """Seconds that the share is about."""
    flood_cool_down_s: float = Field(default=30.0, gt=0, le=86_400)
    """Seconds from the first trip to one record that is tried; doubles with each trip that follows."""
    flood_longest_cool_down_s: float = Field(default=600.0, gt=0, le=86_400)
    """Seconds where the doubling ends; not below the first cool-down."""
    flood_forget_s: float = Field(default=600.0, gt=0, le=86_400)
    """A trip so many seconds after the last resumption counts as a first one again."""

    @model_validator(mode="after")
    def _is_a_policy(self) -> Self:
        if self.flood_longest_cool_down_s < self.flood_cool_down_s:
            raise ValueError("FLOOD_LONGEST_COOL_DOWN_S must not be shorter than FLOOD_COOL_DOWN_S")
        return self

    def flood(self) -> FloodPolicy | None:
        """As the engine wants it."""
        if not self.flood_breaker:
            return None
        return FloodPolicy(
            in_a_row=self.flood_in_a_row or None,
            share=self.flood_share or None,
            at_least=self.flood_at_least,
            window_s=self.flood_window_s,
            cool_down_s=self.flood_cool_down_s,
            longest_cool_down_s=self.flood_longest_cool_down_s,
            forget_s=self.flood_forget_s,
        )


class ServiceSettings(BaseSettings):
    """What every service needs; each service adds its own groups in its ``settings.py``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=None,
        frozen=True,
        extra="ignore",
    )
    kafka: KafkaSettings = KafkaSettings()
    database: DatabaseSettings = DatabaseSettings()
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    shutdown: ShutdownSettings = ShutdownSettings()
    watchdog: WatchdogSettings = WatchdogSettings()
    engine: EngineSettings = EngineSettings()
    config_dir: Path = Path("deploy/config")
    """Folder of the YAML rules."""
    state_dir: Path = Path(".posta/state")
    """Folder for files the service must keep, such as the ingress spool."""


S = TypeVar("S", bound=ServiceSettings)


def load(settings: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read the environment (and a ``.env`` file in development, which it overrides).

    Raises ``ConfigurationError`` naming each variable that is wrong and why, never its value.
    """
    env: MutableMapping[str, str] = os.environ if environ is None else dict(environ)
    adopt(env)
    _read_secret_files(env)
    try:
        if environ is None:
            return settings(_env_file=".env")
        return settings.model_validate(_tree(env))
    except ValidationError as exc:
        faults = "; ".join(
            f"{PREFIX}{'__'.join(str(part).upper() for part in path)}: {error['msg']}"
            for error in exc.errors(include_input=False, include_url=False)
            for path in _paths(settings, error["loc"])
        )
        raise ConfigurationError(f"environment: {faults}") from None


def _paths(settings: type[S], location: tuple[int | str, ...]) -> list[tuple[int | str, ...]]:
    """Where an error is; one of a whole group lies in the variables that the group requires."""
    field = settings.model_fields.get(str(location[0])) if len(location) == 1 else None
    if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, Group)):
        return [location]
    required = [name for name, one in field.annotation.model_fields.items() if one.is_required()]
    return [(*location, name) for name in required] or [location]


def _read_secret_files(env: MutableMapping[str, str]) -> None:
    """Put what each ``POSTA_…_FILE`` names in its place, as if it had been set directly."""
    for name in [name for name in env if name.startswith(PREFIX) and name.endswith("_FILE")]:
        if name.endswith(_PATH_SUFFIX):
            continue
        path = env.pop(name)
        try:
            env[name.removesuffix("_FILE")] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as exc:
            raise ConfigurationError(f"{name}: cannot read {path}: {exc.strerror}") from None


def _tree(env: Mapping[str, str]) -> dict[str, Any]:
    """Nested fields from ``POSTA_A__B=c``; only for a given mapping, as tests use it."""
    tree: dict[str, Any] = {}
    for name, value in env.items():
        if not name.startswith(PREFIX):
            continue
        *groups, leaf = name.removeprefix(PREFIX).lower().split("__")
        node = tree
        for group in groups:
            node = node.setdefault(group, {})
        node[leaf] = value
    return tree

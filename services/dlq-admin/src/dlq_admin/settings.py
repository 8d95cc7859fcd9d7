"""What dlq-admin needs from the environment, and no more."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from posta.settings import Group, ServiceSettings

_PLACE = "{trace_id}"


def _web_address(text: str | None) -> str | None:
    if text is not None and not text.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return text


def _template(text: str | None) -> str | None:
    if text is not None and _PLACE not in text:
        raise ValueError(f"must contain {_PLACE}")
    return text


class ConsoleSettings(Group):
    """The page for admins."""

    public_url: Annotated[str | None, AfterValidator(_web_address)] = None
    """Where browsers reach the page, such as ``https://dlq.example.org``, when a proxy stands in
    front: decides the Secure flag of the cookie and which Origin may post. Unset: as requested."""
    session_idle_s: float = Field(default=3600.0, ge=60, le=86_400)
    """A session that is not used so long ends."""
    session_max_s: float = Field(default=8 * 3600.0, ge=60, le=7 * 86_400)
    """A session ends after so long in any case."""


class ReplaySettings(Group):
    """How dead letters go back to their groups."""

    rate_per_s: float = Field(default=50.0, gt=0, le=10_000)
    """Most records a second that a bulk replay publishes, so that it does not flood the group."""
    lease_s: float = Field(default=60.0, ge=1, le=3600)
    """A replay that is not confirmed for so long, after a crash or while Kafka is away, is taken up
    again. Must exceed ``POSTA_KAFKA__REQUEST_TIMEOUT_S``."""


class Settings(ServiceSettings):
    """dlq-admin's settings."""

    api_keys: SecretStr = SecretStr("")
    """``name:scope+scope:sha256,…``; scopes ``dlq:read``, ``dlq:write``, ``dlq:inspect``,
    ``engine:read``, ``engine:operate``. Keys in PostgreSQL (`posta keys`) are accepted beside them."""
    trace_url_template: Annotated[str | None, AfterValidator(_web_address), AfterValidator(_template)] = None
    """Where a trace is looked at, such as ``http://localhost:16686/trace/{trace_id}``."""
    console: ConsoleSettings = ConsoleSettings()
    replay: ReplaySettings = ReplaySettings()

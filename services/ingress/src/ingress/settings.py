"""What ingress needs from its environment."""

from pathlib import Path

from pydantic import ConfigDict, Field, SecretStr, field_validator

from ingress.interactions.signature import parse_public_keys
from ingress.limits.quotas import LimitPolicy
from posta.settings import Group, ServiceSettings


class DiscordSettings(Group):
    """The Discord application whose interactions are accepted."""

    # Notifier reads other variables of this group; one environment may serve both.
    model_config = ConfigDict(frozen=True, extra="ignore")

    public_keys: str
    """Comma-separated Ed25519 public keys, 64 hex digits each; more than one while a key changes. With
    several applications each is ``application id:key``, and signs for that application only."""
    application_id: str | None = None
    """Unused here: every signed interaction names its application."""
    api_url: str = "https://discord.com/api/v10"
    """Unused here: ingress answers Discord's requests and makes none."""

    @field_validator("public_keys")
    @classmethod
    def _are_keys(cls, text: str) -> str:
        parse_public_keys(text)
        return text


class IngressSettings(Group):
    """How requests are taken and kept safe."""

    max_body_bytes: int = Field(default=256 * 1024, ge=1024, le=512 * 1024)
    """Larger request bodies get 413; a record must stay below what Kafka takes (1 MiB)."""
    publish_budget_s: float = Field(default=0.8, gt=0, le=2)
    """How long a request waits for Kafka before its event goes to the spool."""
    spool_budget_s: float = Field(default=1.2, gt=0, le=5)
    """How long a request waits for the spool before it is told to try again."""
    spool_max_events: int = Field(default=100_000, ge=1)
    """The spool takes no more events than this."""
    spool_max_bytes: int = Field(default=256 * 1024 * 1024, ge=64 * 1024)
    """The spool takes no more keys, values and headers than this, in bytes."""
    interactions_kept_days: float = Field(default=7, gt=0, le=365)
    """How long ``GET /v1/interactions/{id}`` knows an interaction."""
    log_interactions: bool = False
    """Write a log line for each interaction with what was used and what it was answered; never its text."""


class GovernorSettings(Group):
    """How often people may ask, over all instances; each limit is off at 0."""

    enabled: bool = True
    """Off: no limit, no folding of repetitions, and PostgreSQL is not asked."""
    max_messages_per_minute: int = Field(default=10, ge=0, le=600)
    """Of one conversation (a person in a channel), in any minute."""
    max_per_user_per_minute: int = Field(default=20, ge=0, le=600)
    """Of one person, everywhere together."""
    max_per_guild_per_minute: int = Field(default=300, ge=0, le=6000)
    """Of one server, all its people together."""
    dedupe_window_ms: int = Field(default=5000, ge=0, le=60_000)
    """The same text in the same conversation within so many milliseconds is taken once."""
    database_budget_s: float = Field(default=0.25, gt=0, le=2)
    """Seconds a person waits for the count in PostgreSQL; then this process counts alone for a moment."""
    max_queue_age_s: float = Field(default=300, ge=0, le=840)
    """No new questions while those before wait longer than this for a worker, in seconds."""

    @property
    def limits(self) -> LimitPolicy | None:
        """What is limited; None: nothing."""
        if not self.enabled:
            return None
        return LimitPolicy(
            per_conversation=self.max_messages_per_minute,
            per_user=self.max_per_user_per_minute,
            per_guild=self.max_per_guild_per_minute,
            dedupe_window_ms=self.dedupe_window_ms,
        )


class Settings(ServiceSettings):
    """All of ingress's settings."""

    discord: DiscordSettings
    ingress: IngressSettings = IngressSettings()
    governor: GovernorSettings = GovernorSettings()
    api_keys: SecretStr = SecretStr("")
    """Who may publish events: ``name:scope+scope:sha256``, comma-separated."""

    @property
    def spool_file(self) -> Path:
        """Where the spool is kept."""
        return self.state_dir / "ingress" / "spool.sqlite3"

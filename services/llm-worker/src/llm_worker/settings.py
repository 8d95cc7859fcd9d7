"""What llm-worker needs from its environment, and no more."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from llm_worker.conversation.turn import MemoryPolicy
from llm_worker.spending.upkeep import UpkeepPolicy
from posta.domain.backoff import FullJitter
from posta.domain.retry import RetryPolicy
from posta.settings import Group, ServiceSettings


class LlmSettings(Group):
    """Which LLM is asked, and how."""

    base_url: str = "http://127.0.0.1:8090/llm/v1"
    """OpenAI style base: requests go to ``{base_url}/chat/completions``. The default is the sandbox."""
    api_key: SecretStr = SecretStr("")
    """Sent as a bearer token; empty: none is sent."""
    model: str = Field(default="posta-sandbox-1", min_length=1)
    """The model's name, as the provider spells it."""
    timeout_s: float = Field(default=60.0, gt=0, le=600)
    """Seconds for one call, from connecting to the last byte."""
    max_tokens: int = Field(default=150, ge=1, le=100_000)
    """Most tokens an answer may have; a model or a route in ``llm.yaml`` may say otherwise."""
    concurrency: int = Field(default=64, ge=1, le=1000)
    """Most questions handled at once by one process."""
    lease_s: float = Field(default=15.0, ge=0.5, le=300)
    """Seconds until the claim of a process that died may be taken over; renewed every third of it."""
    delivery_reserve_s: float = Field(default=15.0, ge=0, le=300)
    """Seconds before a question's deadline that are left to deliver the answer."""

    @field_validator("base_url")
    @classmethod
    def _http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http:// or https:// address")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold no credentials, query or fragment: the key has its own variable")
        return url.rstrip("/")


class RetrySettings(Group):
    """How often and how long apart a failed question is tried again."""

    max_attempts: int = Field(default=6, ge=1, le=100)
    """Attempts in all, the first included; waiting for a rate limit uses none."""
    base_s: float = Field(default=2.0, gt=0, le=600)
    """Ceiling of the first wait in seconds; it triples with each failure (full jitter)."""
    cap_s: float = Field(default=300.0, gt=0, le=3600)
    """Ceiling of every wait in seconds."""

    def policy(self) -> RetryPolicy:
        """As the engine wants it."""
        backoff = FullJitter(base_s=self.base_s, factor=3.0, cap_s=self.cap_s)
        return RetryPolicy(max_attempts=self.max_attempts, backoff=backoff)


class MemorySettings(Group):
    """What is remembered of a conversation."""

    turns_limit: int = Field(default=3, ge=0, le=50)
    """Last turns that a prompt is shown word for word."""
    summary_threshold: int = Field(default=5_000, ge=100, le=1_000_000)
    """Tokens of a conversation above which its old turns are summarised after an answer."""
    cleanup_threshold: int = Field(default=8_000, ge=100, le=1_000_000)
    """Tokens above which the regular clean-up summarises what was left."""
    cleanup_interval_s: float = Field(default=3_600.0, ge=1, le=86_400)
    """Seconds between two clean-ups."""
    retention_days: float = Field(default=90.0, gt=0, le=3_650)
    """Days after which a conversation without a new turn is deleted."""

    def policy(self) -> MemoryPolicy:
        """As the conversations want it."""
        return MemoryPolicy(
            turns_limit=self.turns_limit,
            summary_threshold=self.summary_threshold,
            cleanup_threshold=self.cleanup_threshold,
            cleanup_interval_s=self.cleanup_interval_s,
            retention_s=self.retention_days * 86_400,
        )


class CacheSettings(Group):
    """How answers to repeated questions are shared."""

    enabled: bool = True
    """Whether a question that was asked in the same words, in the same guild or mailbox, is answered again
    without a call."""
    ttl_s: float = Field(default=3_600.0, ge=1, le=2_592_000)
    """Seconds that an answer is given again."""
    asking_s: float = Field(default=120.0, ge=1, le=600)
    """Seconds that others wait for the one who asks, before another one asks."""


class UsageSettings(Group):
    """How long it is kept what calls cost."""

    retention_days: int = Field(default=90, ge=2, le=3_650)
    """Days that each call is kept; older ones are summed up by day."""
    daily_retention_days: int = Field(default=1_095, ge=2, le=36_500)
    """Days that the sums are kept."""
    upkeep_interval_s: float = Field(default=3_600.0, ge=1, le=86_400)
    """Seconds between two looks at what is old."""

    def policy(self) -> UpkeepPolicy:
        """As the upkeep wants it."""
        return UpkeepPolicy(
            retention_days=self.retention_days,
            daily_retention_days=self.daily_retention_days,
            every_s=self.upkeep_interval_s,
        )


class Settings(ServiceSettings):
    """All settings of llm-worker."""

    llm: LlmSettings = LlmSettings()
    retry: RetrySettings = RetrySettings()
    memory: MemorySettings = MemorySettings()
    cache: CacheSettings = CacheSettings()
    usage: UsageSettings = UsageSettings()
    api_keys: SecretStr = SecretStr("")
    """Who may see and steer the engine: ``name:scope+scope:sha256,…``; scopes ``engine:read`` (also for
    ``/admin/llm`` and ``/admin/usage``) and ``engine:operate`` (also for ``/admin/cache``). Keys in
    PostgreSQL (`posta keys`) are accepted beside them."""

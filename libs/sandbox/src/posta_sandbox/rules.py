"""The numbers the look-alikes enforce; tests change them while it runs."""

from pydantic import BaseModel, ConfigDict, Field


class DiscordRules(BaseModel):
    """Discord's limits as documented, or as its staff stated them."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    answer_within_s: float = Field(3.0, gt=0)
    """How long ingress may take to answer an interaction."""
    token_life_s: float = Field(900.0, gt=0)
    """How long an interaction token lives (15 minutes)."""
    webhook_limit: int = Field(5, ge=0)
    """Calls per window for one webhook and route; 0 is no limit."""
    webhook_window_s: float = Field(2.0, gt=0)
    """Length of that window."""
    channel_limit: int = Field(0, ge=0)
    """Posts per channel and minute over all webhooks (30 at Discord, unpublished); 0 is none."""
    channel_window_s: float = Field(60.0, gt=0)
    """Length of that window."""
    global_limit: int = Field(50, ge=0)
    """Calls per second outside interactions; 0 is no limit."""
    requires_user_agent: bool = True
    """Refuse requests that name no client or a bare HTTP library (40333), as Cloudflare may."""


class LlmSettings(BaseModel):
    """How the LLM look-alike behaves."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    latency_s: float = Field(0.3, ge=0, le=600)
    """How long it thinks before it answers."""
    answer_chars: int = Field(0, ge=0, le=200_000)
    """Answers are padded to at least this length, to see long ones cut in pieces."""
    models: list[str] = []
    """The models it knows; empty knows every name."""


class LlmLimits(BaseModel):
    """What one organisation may use, as at Groq; null is no limit."""

    model_config = ConfigDict(extra="forbid")

    rpm: int | None = Field(None, ge=0)
    """Requests per minute."""
    rpd: int | None = Field(None, ge=0)
    """Requests per day; the one that x-ratelimit-limit-requests tells."""
    tpm: int | None = Field(None, ge=0)
    """Tokens (prompt and answer) per minute; x-ratelimit-limit-tokens tells it."""
    window_s: float = Field(60.0, gt=0)
    """How long a "minute" is, so that a test need not wait one."""

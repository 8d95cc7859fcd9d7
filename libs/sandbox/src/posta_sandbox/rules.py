"""The numbers the look-alikes enforce; tests change them while it runs."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Oddity = Literal[
    "html",
    "truncated",
    "empty_choices",
    "null_content",
    "wrong_usage",
    "wrong_model",
    "tool_calls",
    "refusal",
    "error_inside",
]
"""The odd ways in which the LLM look-alike can answer 200; see ``posta_sandbox.llm.oddity``."""


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
    bot_token: str = Field("", repr=False)
    """The only token that counts as the bot's; empty: any."""
    sees_content: bool = True
    """Whether the bot may read other people's content (the privileged intent); webhooks count as others."""
    closed_dms: list[str] = []
    """User ids that take no direct messages (50007)."""
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
    token_s: float = Field(0.0, ge=0, le=60)
    """How long it takes for each word of a stream."""
    stall_after_words: int | None = Field(None, ge=0)
    """A stream stands still after so many words."""
    stall_s: float = Field(3600.0, ge=0, le=3600)
    """For how long it stands still."""
    oddity: Oddity | None = None
    """It answers in this odd way instead."""
    oddity_match: str = ""
    """Only questions that contain this are answered oddly."""


class LlmLimits(BaseModel):
    """What one organisation may use, as at Groq; null is no limit."""

    model_config = ConfigDict(extra="forbid")

    rpm: int | None = Field(None, ge=0)
    """Requests per minute."""
    rpd: int | None = Field(None, ge=0)
    """Requests per day; the one that x-ratelimit-limit-requests tells."""
    tpm: int | None = Field(None, ge=0)
    """Tokens (prompt and answer) per minute; x-ratelimit-limit-tokens tells it."""
    tpd: int | None = Field(None, ge=0)
    """Tokens per day."""
    concurrency: int | None = Field(None, ge=0)
    """Calls at once."""
    window_s: float = Field(60.0, gt=0)
    """How long a "minute" is, so that a test need not wait one."""
    counts: Literal["fixed", "sliding"] = "fixed"
    """Whether windows begin with the first call in them, or look back from each call."""
    form: Literal["groq", "openai"] = "groq"
    """Whose headers tell them: Groq's requests are per day, OpenAI's per minute."""

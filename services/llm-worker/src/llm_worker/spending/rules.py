"""``budget`` in ``llm.yaml``: what each tenant may spend on a day, and what happens when that is used up."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

SUMMARIES = "summaries"
"""The tenant that summaries of conversations are asked for."""
Tenant = Annotated[
    str, StringConstraints(pattern=rf"^((guild|person|mailbox):\S{{1,200}}|{SUMMARIES})$", max_length=220)
]


def _is_a_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no time zone such as Europe/Madrid") from None
    return name


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class WhenUsedUp(StrEnum):
    """What becomes of a question whose tenant has no budget left."""

    TELL = "tell"
    """The person is told that nothing more is answered today."""
    HAND_OVER = "hand_over"
    """The question is passed on to a person (``handover``)."""


class DailyRules(_Rules):
    """Most that one tenant may spend on a day; null: no limit."""

    cost: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    """In the currency of the models' prices."""
    tokens: Annotated[int, Field(ge=0, le=1_000_000_000_000)] | None = None
    """Prompts and answers together."""


class BudgetRules(_Rules):
    """What each guild, person who writes directly, or mailbox may spend on a day."""

    daily: DailyRules = DailyRules()
    """Of each tenant that is not named below."""
    tenants: dict[Tenant, DailyRules] = {}
    """By name: ``guild:<id>``, ``person:<id>``, ``mailbox:<account>``, or ``summaries``."""
    warn_at: float = Field(default=0.8, gt=0, le=1)
    """Share of a budget at which the operator is warned, once a day."""
    time_zone: Annotated[str, AfterValidator(_is_a_zone)] = "UTC"
    """Whose midnight ends a day."""
    when_used_up: WhenUsedUp = WhenUsedUp.TELL

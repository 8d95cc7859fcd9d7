"""What requests bring: query and bodies, validated so that PostgreSQL can take them too."""

import hashlib
from dataclasses import replace
from typing import Annotated, Self

from fastapi import Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dlq_admin.dead_letter import Filter, RequestKey, State
from dlq_admin.store import BULK_MOST, Chosen
from posta.auth import Principal
from posta.http.problem import Problem

ID_MOST = 2**63 - 1
_KEY_CHARS = 200


def _storable(text: str) -> str:
    # PostgreSQL's text holds neither U+0000 nor lone surrogates, which JSON can spell.
    if "\x00" in text or any(0xD800 <= ord(character) <= 0xDFFF for character in text):  # noqa: PLR2004
        raise ValueError("must not contain U+0000 or lone surrogates")
    return text.strip()


Text = Annotated[str, Field(max_length=500), AfterValidator(_storable)]
"""Text of at most 500 characters."""
NonEmpty = Annotated[str, Field(max_length=500), AfterValidator(_storable), Field(min_length=1)]
"""Text of 1 to 500 characters, not only blanks."""
DeadLetterId = Annotated[int, Field(ge=1, le=ID_MOST)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Conditions(_Body):
    group: Text | None = None
    error_class: Annotated[Text | None, Field(alias="class")] = None
    fingerprint: Text | None = None
    type: Text | None = None
    q: Text | None = None
    held: bool = False

    def as_filter(self) -> Filter:
        """The same in the console's words; an empty condition is none."""
        return Filter(
            group=self.group or None,
            error_class=self.error_class or None,
            fingerprint=self.fingerprint or None,
            event_type=self.type or None,
            text=self.q or None,
            holding=self.held,
        )


class ListQuery(_Conditions):
    """Which dead letters a list shows."""

    state: State | None = None

    def as_filter(self) -> Filter:
        """The same in the console's words."""
        return replace(super().as_filter(), state=self.state)


class PageQuery(ListQuery):
    """Which part of a list: the newest ``limit`` with ids below ``before``."""

    before: Annotated[int, Field(ge=1, le=ID_MOST)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class FilterBody(_Conditions):
    """Which open dead letters a bulk request means; at least one condition."""

    @model_validator(mode="after")
    def _not_everything(self) -> Self:
        if self.as_filter().is_everything:
            raise ValueError("give at least one of group, class, fingerprint, type, q, held")
        return self


class ManyBody(_Body):
    """Which dead letters a bulk request means: ``ids``, or ``filter`` with ``limit``."""

    ids: Annotated[tuple[DeadLetterId, ...], Field(max_length=BULK_MOST)] = ()
    filter: FilterBody | None = None
    limit: Annotated[int, Field(ge=1, le=BULK_MOST)] = BULK_MOST

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.ids) == (self.filter is not None):
            raise ValueError("give either ids (at least one) or filter")
        return self

    def chosen(self) -> Chosen:
        """The same in the console's words."""
        if self.filter is None:
            return Chosen(ids=tuple(sorted(set(self.ids))))
        return Chosen(filter=self.filter.as_filter(), limit=self.limit)


class ReplayBody(_Body):
    """Why one is replayed; may be left out."""

    reason: Text | None = None
    from_scratch: bool = False
    """Of a question: have it answered anew, although an answer may be stored. That is paid for again."""


class DiscardBody(_Body):
    """Why one is discarded."""

    reason: NonEmpty


class ReleaseBody(_Body):
    """Why its key is released."""

    reason: NonEmpty


class ReplayManyBody(ManyBody):
    """Which are replayed, and why."""

    reason: Text | None = None
    from_scratch: bool = False
    """Have the questions among them answered anew. That is paid for again."""


class DiscardManyBody(ManyBody):
    """Which are discarded, and why."""

    reason: NonEmpty


def request_key(request: Request, principal: Principal, *, content: str) -> RequestKey | None:
    """The request's ``Idempotency-Key``, tied to who sent it and to ``content``. Raises ``Problem`` 400."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= _KEY_CHARS or not key.isascii() or not key.isprintable():
        raise Problem(
            400,
            "The Idempotency-Key cannot be used",
            f"Send 1 to {_KEY_CHARS} printable ASCII characters, a new UUID for each request.",
        )
    digest = hashlib.sha256(f"{request.url.path}\n{content}".encode()).hexdigest()
    return RequestKey(actor=principal.name, key=key, request_sha256=digest)

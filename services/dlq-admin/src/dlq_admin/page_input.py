"""What the page's links and forms bring, read and checked."""

import re

from fastapi import Request
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData

from dlq_admin.bodies import NonEmpty, PageQuery, Text
from dlq_admin.dead_letter import Filter, State
from dlq_admin.store import BULK_MOST, Chosen
from posta.http.problem import Problem, invalid

ANY_STATE = "any"
_OWN_PATH = re.compile(r"/(?:dead-letters/\d{1,19})?")


def list_query(request: Request) -> PageQuery:
    """The filter in the address; without a state, what is open. Raises ``Problem`` 422."""
    given = {name: value for name, value in request.query_params.items() if value != ""}
    state = given.pop("state", State.OPEN.value)
    if state != ANY_STATE:
        given["state"] = state
    try:
        return PageQuery.model_validate(given)
    except ValidationError as exc:
        raise invalid(list(exc.errors())) from None


def conditions(query: PageQuery) -> dict[str, str]:
    """The query as the page's links and fields repeat it."""
    given = {
        "group": query.group,
        "class": query.error_class,
        "state": query.state.value if query.state else ANY_STATE,
        "fingerprint": query.fingerprint,
        "type": query.type,
        "q": query.q,
        "held": "true" if query.held else "",
    }
    return {name: value or "" for name, value in given.items()}


def chosen_alike(form: FormData) -> Chosen:
    """The group of equal failures a form is about. Raises ``Problem`` 422."""
    fingerprint, group = text_of(form, "fingerprint"), text_of(form, "group")
    if not fingerprint or not group:
        raise Problem(422, "Nothing was chosen", "Choose a group of equal failures first.")
    return Chosen(filter=Filter(fingerprint=fingerprint, group=group), limit=BULK_MOST)


def reason_of(form: FormData) -> str:
    """The reason, which must be given. Raises ``Problem`` 422."""
    return _validated(TypeAdapter(NonEmpty), form, "reason")


def text_of(form: FormData, name: str) -> str:
    """A text field, empty when it was left out. Raises ``Problem`` 422."""
    return _validated(TypeAdapter(Text), form, name)


def _validated(kind: TypeAdapter[str], form: FormData, name: str) -> str:
    try:
        return kind.validate_python(str(form.get(name, "")))
    except ValidationError as exc:
        raise invalid([{**error, "loc": (name,)} for error in exc.errors()]) from None


def own_path(path: str) -> str:
    """``path`` if it is one of our pages: a link must not send anyone who signs in elsewhere."""
    return path if _OWN_PATH.fullmatch(path) else "/"

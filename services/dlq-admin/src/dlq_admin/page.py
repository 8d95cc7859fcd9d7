"""The page for admins: find dead letters, see why, replay or discard them."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment

from dlq_admin.api import READ, WRITE, Id
from dlq_admin.dead_letter import Filter, State
from dlq_admin.decisions import Decisions
from dlq_admin.page_input import chosen_alike, conditions, list_query, own_path, reason_of, text_of
from dlq_admin.rendering import environment, render, static_files
from dlq_admin.replay import replay_topic
from dlq_admin.sessions import Session, Sessions
from dlq_admin.settings import Settings
from dlq_admin.shown import Reveal
from dlq_admin.store import BULK_MOST, Store
from dlq_admin.views import alike_view, dead_letter_view, summary_view
from dlq_admin.visitor import SignInNeeded, Visitors
from posta.auth import digest_of
from posta.errors import Unavailable
from posta.http.problem import Problem, invalid
from posta.postgres.keyring import KeyRing
from posta.telemetry.logs import get_logger
from posta.topics import GROUPS

log = get_logger(__name__)
_ALIKE_SHOWN = 12
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_GROUP_NAMES = tuple(group.name for group in GROUPS if group.lane_delays_s)
_CLASSES = ("transient", "permanent", "expired", "throttled", "unexpected")
_SEE_OTHER = 303

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


def page_router(settings: Settings, store: Store, decisions: Decisions, keys: KeyRing) -> APIRouter:
    """The routes of the page."""
    templates = environment()
    console = settings.console
    sessions = Sessions(idle_s=console.session_idle_s, most_s=console.session_max_s)
    visitors = Visitors(sessions, console, is_accepted=keys.holds)
    router = APIRouter(route_class=_pages(templates), include_in_schema=False)
    _add_static(router)
    _add_sign_in(router, templates, visitors, keys)
    _add_reading(router, templates, visitors, store, decisions, settings.trace_url_template)
    _add_deciding(router, visitors, decisions)
    return router


def _pages(templates: Environment) -> type[APIRoute]:
    """Routes whose errors are pages too."""

    class PageRoute(APIRoute):
        def get_route_handler(self) -> Handle:
            handle = super().get_route_handler()

            async def handled(request: Request) -> Response:
                try:
                    return await handle(request)
                except SignInNeeded as exc:
                    return RedirectResponse(exc.url, _SEE_OTHER)
                except Problem as exc:
                    return _problem(templates, exc)
                except RequestValidationError as exc:
                    return _problem(templates, invalid(list(exc.errors())))
                except Unavailable as exc:
                    log.warning("page_refused", reason=str(exc))
                    return _problem(
                        templates,
                        Problem(
                            503,
                            "The dead letters cannot be reached now",
                            "The database is away. Nothing was lost; try again in a moment.",
                        ),
                    )

            return handled

    return PageRoute


def _problem(templates: Environment, problem: Problem) -> Response:
    return render(templates, "problem.html", status=problem.status, problem=problem, session=None)


def _add_static(router: APIRouter) -> None:
    contents = static_files()

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in contents:
            raise Problem(404, "There is no such file", "Go back to the list.")
        media_type = _TYPES[name.rsplit(".", 1)[-1]]
        return Response(
            contents[name], media_type=media_type, headers={"cache-control": "public, max-age=300"}
        )


def _add_sign_in(router: APIRouter, templates: Environment, visitors: Visitors, keys: KeyRing) -> None:
    @router.get("/login")
    async def ask(next: str = "/") -> Response:  # noqa: A002 - the parameter's name
        return render(templates, "login.html", session=None, next=own_path(next), fault=None)

    @router.post("/login")
    async def sign_in(request: Request) -> Response:
        visitors.check_origin(request)
        form = await request.form()
        then = own_path(str(form.get("next", "/")))
        key = str(form.get("key", "")).strip().encode("utf-8", "replace").decode()
        principal = await keys.identify(key)
        if principal is None or READ not in principal.scopes:
            fault = "This key is not known." if principal is None else f"This key lacks the scope {READ}."
            log.warning("sign_in_refused", actor=principal.name if principal else None)
            status = 401 if principal is None else 403
            return render(templates, "login.html", status=status, session=None, next=then, fault=fault)
        log.info("signed_in", actor=principal.name)
        response = RedirectResponse(then, _SEE_OTHER)
        visitors.forget(request, response)
        visitors.remember(request, response, visitors.sessions.open(principal, key_sha256=digest_of(key)))
        return response

    @router.post("/logout")
    async def sign_out(request: Request) -> Response:
        visitors.check_origin(request)
        response = RedirectResponse("/login", _SEE_OTHER)
        visitors.forget(request, response)
        return response


def _add_reading(
    router: APIRouter,
    templates: Environment,
    visitors: Visitors,
    store: Store,
    decisions: Decisions,
    trace_url_template: str | None,
) -> None:
    @router.get("/")
    async def newest(request: Request) -> Response:
        session = visitors.required(request)
        query = list_query(request)
        wanted = query.as_filter()
        found = await store.find(wanted, before=query.before, limit=query.limit + 1)
        alike = await store.alike(wanted, limit=_ALIKE_SHOWN)
        open_now = await _count_open(store, wanted) if wanted.fingerprint else 0
        shown = found[: query.limit]
        return render(
            templates,
            "list.html",
            **_common(session),
            items=[summary_view(one) for one in shown],
            alike=[alike_view(one) for one in alike],
            query=conditions(query),
            next_before=shown[-1].id if len(found) > query.limit else None,
            open_now=open_now,
            bulk_most=BULK_MOST,
            group_names=_GROUP_NAMES,
            classes=_CLASSES,
            states=[state.value for state in State],
        )

    @router.get("/dead-letters/{dead_letter_id}")
    async def one(request: Request, dead_letter_id: Id) -> Response:
        session = visitors.required(request)
        dead_letter, whole = await decisions.with_original(dead_letter_id)
        view = await asyncio.to_thread(dead_letter_view, dead_letter, reveal=Reveal.MASKED, whole=whole)
        trace_id = dead_letter.summary.reading.trace_id
        trace_url = None
        if trace_id and trace_url_template:
            trace_url = trace_url_template.replace("{trace_id}", trace_id)
        return render(
            templates,
            "detail.html",
            **_common(session),
            letter=view,
            trace_url=trace_url,
        )


def _add_deciding(router: APIRouter, visitors: Visitors, decisions: Decisions) -> None:
    @router.post("/dead-letters/{dead_letter_id}/replay")
    async def replay(request: Request, dead_letter_id: Id) -> Response:
        session, form = await visitors.form(request)
        reason = text_of(form, "reason")
        done = await decisions.replay_one(
            dead_letter_id,
            actor=session.principal.name,
            reason=reason or None,
            from_scratch=text_of(form, "from_scratch") == "yes",
        )
        if done.summary.state is State.REPLAYED:
            lane = replay_topic(done.summary.reading.group)
            session.flash("good", f"Dead letter {dead_letter_id} was replayed: it is on {lane} now.")
        elif done.summary.state is State.REPLAYING:
            session.flash("bad", "Kafka has not confirmed the replay yet; it is sent by itself in a moment.")
        else:
            session.flash("bad", f"The replay was refused: {done.audit[-1].outcome}.")
        return RedirectResponse(f"/dead-letters/{dead_letter_id}", _SEE_OTHER)

    @router.post("/dead-letters/{dead_letter_id}/discard")
    async def discard(request: Request, dead_letter_id: Id) -> Response:
        session, form = await visitors.form(request)
        await decisions.discard_one(dead_letter_id, actor=session.principal.name, reason=reason_of(form))
        session.flash("good", f"Dead letter {dead_letter_id} was discarded.")
        return RedirectResponse(f"/dead-letters/{dead_letter_id}", _SEE_OTHER)

    @router.post("/dead-letters/{dead_letter_id}/release")
    async def release(request: Request, dead_letter_id: Id) -> Response:
        session, form = await visitors.form(request)
        await decisions.release_one(dead_letter_id, actor=session.principal.name, reason=reason_of(form))
        session.flash(
            "good", f"The key of dead letter {dead_letter_id} is released: what waits behind it goes on."
        )
        return RedirectResponse(f"/dead-letters/{dead_letter_id}", _SEE_OTHER)

    @router.post("/alike/replay")
    async def replay_alike(request: Request) -> Response:
        session, form = await visitors.form(request)
        reason = text_of(form, "reason")
        done = await decisions.replay_many(
            chosen_alike(form),
            actor=session.principal.name,
            reason=reason or None,
            from_scratch=text_of(form, "from_scratch") == "yes",
        )
        skipped = f", {len(done.refused)} cannot be" if done.refused else ""
        session.flash("good", f"{len(done.ids)} dead letters are being replayed{skipped}.")
        return RedirectResponse("/", _SEE_OTHER)

    @router.post("/alike/discard")
    async def discard_alike(request: Request) -> Response:
        session, form = await visitors.form(request)
        done = await decisions.discard_many(
            chosen_alike(form), actor=session.principal.name, reason=reason_of(form)
        )
        session.flash("good", f"{len(done.ids)} dead letters were discarded.")
        return RedirectResponse("/", _SEE_OTHER)


def _common(session: Session) -> dict[str, Any]:
    return {
        "session": session,
        "flashes": session.take_flashes(),
        "may_decide": WRITE in session.principal.scopes,
        "now": datetime.now(UTC),
    }


async def _count_open(store: Store, wanted: Filter) -> int:
    groups = await store.alike(replace(wanted, state=State.OPEN), limit=1)
    return sum(group.count for group in groups)

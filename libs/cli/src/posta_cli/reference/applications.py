"""The services' HTTP applications with routes of their own, built without opening anything they would use."""

from typing import Any, Never

from fastapi import FastAPI

from posta.auth import ApiKeys, describe_key, new_key
from posta.http.app import create_app
from posta.http.health import Health
from posta.postgres.keyring import KeyRing
from posta.settings import load
from posta.version import service_version
from posta_cli.reference.services import part

KEY_WITHOUT_SCOPES = new_key()
"""A key that the applications know and that may do nothing."""

_MOST_BYTES = 1024


class Absent:
    """Stands where a running service has a database or a cluster; to use it is a defect."""

    def __getattr__(self, name: str) -> Any:
        def used(*_args: object, **_named: object) -> Never:
            raise RuntimeError(f"{name} of something that is not there was used")

        return used


class _Mailbox(Absent):
    """Absent, too; but its health is told without a key."""

    async def ping(self) -> None:
        """Answer."""


def applications() -> dict[str, FastAPI]:
    """Return each service's application by its name. Raises CommandError when one is not installed."""
    return {
        "ingress": ingress(),
        "llm-worker": llm_worker(),
        "notifier": with_engine("notifier"),
        "dlq-admin": dlq_admin(),
    }


def ingress() -> FastAPI:
    """Return what ingress serves."""
    absent: Any = Absent()
    door = part("ingress", "interactions.route").Interactions(
        absent, absent, absent, absent, keys=(), max_body_bytes=_MOST_BYTES
    )
    interactions = part("ingress", "interactions.side").InteractionsSide(
        interactions=door, admission=absent, log=absent
    )
    ring = KeyRing(_keys(), None)
    outcomes = part("ingress", "events.outcomes").Outcomes(absent, ring, absent)
    side = part("ingress", "events.side")
    rules = side.EventRules(api_keys=_keys(), destinations=absent, max_body_bytes=_MOST_BYTES, memory=None)
    events = side.event_routers(
        rules, absent, keys=ring, book=absent, journal=absent, idempotency=absent, outcomes=outcomes
    )
    pull = part("ingress", "pull.route")
    routers = (*interactions.routers(_keys()), *events, pull.pull_router(pull.Pull(_Mailbox(), ring)))
    app: FastAPI = part("ingress", "app").build_app(absent, *routers)
    return app


def dlq_admin() -> FastAPI:
    """Return what dlq-admin serves."""
    absent: Any = Absent()
    app: FastAPI = part("dlq_admin", "app").build_app(
        load(part("dlq_admin", "settings").Settings, {}),
        store=absent,
        redrive=absent,
        originals=absent,
        engine=absent,
        keys=KeyRing(_keys(), None),
        health=Health(),
    )
    return app


def llm_worker() -> FastAPI:
    """Return what llm-worker serves."""
    absent: Any = Absent()
    routers = (
        part("llm_worker", "admin").llm_router(absent, _keys()),
        part("llm_worker", "spending.routes").usage_router(absent, absent, absent, _keys()),
    )
    app: FastAPI = part("llm_worker", "app").build_app(absent, _keys(), *routers)
    return app


def with_engine(package: str) -> FastAPI:
    """Return what a service serves that has an engine's routes and no others."""
    absent: Any = Absent()
    app: FastAPI = part(package, "app").build_app(absent, _keys())
    return app


def bare(health: Health) -> FastAPI:
    """Return what every service serves."""
    return create_app(title="any service", version=service_version(), health=health)


def _keys() -> ApiKeys:
    return ApiKeys.parse(describe_key(KEY_WITHOUT_SCOPES, name="reference", scopes=frozenset()))

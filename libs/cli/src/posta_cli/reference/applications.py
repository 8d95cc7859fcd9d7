"""The services' HTTP applications with routes of their own, built without opening anything they would use."""

from typing import Any, Never

from fastapi import FastAPI

from posta.auth import ApiKeys, describe_key, new_key
from posta.http.app import create_app
from posta.http.health import Health
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
    interactions = part("ingress", "interactions.side").InteractionsSide(
        interactions=absent, admission=absent, log=absent
    )
    events = part("ingress", "events.side").event_routers(
        absent, absent, keys=absent, book=absent, journal=absent, idempotency=absent, outcomes=absent
    )
    pull = part("ingress", "pull.route")
    routers = (*interactions.routers(_keys()), *events, pull.pull_router(pull.Pull(absent, absent)))
    app: FastAPI = part("ingress", "app").build_app(absent, *routers)
    return app


def dlq_admin() -> FastAPI:
    """Return what dlq-admin serves."""
    absent: Any = Absent()
    app: FastAPI = part("dlq_admin", "app").build_app(
        load(part("dlq_admin", "settings").Settings, {}),
        store=absent,
        redrive=absent,
        engine=absent,
        keys=_keys(),
        health=Health(),
    )
    return app


def llm_worker() -> FastAPI:
    """Return what llm-worker serves."""
    absent: Any = Absent()
    app: FastAPI = part("llm_worker", "app").build_app(absent, _keys(), absent)
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

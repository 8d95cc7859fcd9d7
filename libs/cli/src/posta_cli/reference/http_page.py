"""http.md, with an OpenAPI description beside it: what each service answers over HTTP."""

import json
from collections.abc import Iterator, Mapping

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from posta.http.health import Health
from posta.http.problem import MEDIA_TYPE, invalid, problem_response
from posta_cli.reference import operations
from posta_cli.reference.applications import bare
from posta_cli.reference.asking import ask, needs
from posta_cli.reference.markdown import block, code, page, table

_EVERY_SERVICE = """\
Where it listens is set by `POSTA_HTTP__HOST` and `POSTA_HTTP__PORT`. None of these needs a key: keep them off
the public network, or behind a proxy that lets only the paths below through.

`/health/live` fails only when the process itself makes no progress, never because Kafka or PostgreSQL is
away: restarting would not help. `/health/ready` fails while the service cannot do its work, and says why."""

_ERRORS = f"""\
Every error is problem details (RFC 9457, `{MEDIA_TYPE}`): `title` says what happened, `detail`
what to do. A request that breaks its schema also gets `errors`, each with the path of a field; an
unexpected error (500) gets the `trace_id` to look for. No value of the request is ever repeated."""


def render(apps: Mapping[str, FastAPI]) -> str:
    """Return the page."""
    return page(
        "HTTP",
        "## Every service",
        _EVERY_SERVICE,
        *_health(),
        "## Errors",
        _ERRORS,
        block(_indented(problem_response(invalid([_MISSING])).body), "json"),
        *(part for name, app in apps.items() for part in _service(name, app)),
    )


_KNOWN_ANSWERS = {
    "/metrics": "[metrics](metrics.md)",
    "/metrics/prometheus": "the same, never as JSON",
    "/openapi.json": "the OpenAPI description",
}
_MISSING = {"loc": ("body", "type"), "msg": "Field required"}


def descriptions(apps: Mapping[str, FastAPI]) -> dict[str, str]:
    """Return the OpenAPI description of each application as the content of a file, by its file's name."""
    return {
        f"openapi/{name}.json": json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n"
        for name, app in apps.items()
    }


def _health() -> Iterator[str]:
    async def fault() -> str:
        return "Kafka does not answer"

    failing = Health()
    failing.ready("kafka", fault)
    well, ill = bare(Health()), bare(failing)
    yield table(("method", "path", "answer"), _health_rows(well, ill))


def _health_rows(well: FastAPI, ill: FastAPI) -> Iterator[tuple[str, ...]]:
    for method, path in _hidden(well):
        answer, worse = ask(well, method, path), ask(ill, method, path)
        said = f"{answer.status_code} {_KNOWN_ANSWERS.get(path) or code(answer.text)}"
        if worse.status_code != answer.status_code:
            said += f", or {worse.status_code} such as {code(worse.text)}"
        yield (method, code(path), said)


def _service(name: str, app: FastAPI) -> Iterator[str]:
    description = app.openapi()
    components = description.get("components", {}).get("schemas", {})
    yield f"## {name}\n\nAs OpenAPI: [{name}.json](openapi/{name}.json)."
    for method, path, operation in operations.operations(description):
        yield f"### {method} {path}"
        yield from operations.render(operation, components)
        yield needs(app, method, path)
    of_every_service = set(_hidden(bare(Health())))
    page_paths = [one for one in _hidden(app) if one not in of_every_service]
    if page_paths:
        yield f"### The page of {name}\n\nFor people; its paths may change."
        yield table(("method", "path"), ((method, code(path)) for method, path in page_paths))


def _hidden(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of what the OpenAPI description leaves out."""
    return [
        (method, str(route.path))
        for route in iter_route_contexts(app.routes)
        if not route.include_in_schema
        for method in sorted(set(route.methods or ()) - {"HEAD"})
    ]


def _indented(body: bytes | memoryview) -> str:
    return json.dumps(json.loads(bytes(body)), indent=2)

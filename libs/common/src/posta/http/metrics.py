"""The metrics of a process over HTTP: in Prometheus' formats, or as JSON for whoever asks for JSON.

``GET /metrics`` answers by the Accept header, ``GET /metrics/prometheus`` in a Prometheus format always.
"""

import math
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import CollectorRegistry

from posta.http.problem import Problem

_JSON = "application/json"


def metrics_router(registry: CollectorRegistry = REGISTRY) -> APIRouter:
    """Both routes; 404 while the application's state says that metrics are switched off."""
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        _check_enabled(request)
        accept = request.headers.get("accept", "")
        return JSONResponse(as_json(registry)) if wants_json(accept) else _prometheus(registry, accept)

    @router.get("/metrics/prometheus", include_in_schema=False)
    async def prometheus(request: Request) -> Response:
        _check_enabled(request)
        return _prometheus(registry, request.headers.get("accept", ""))

    return router


def wants_json(accept: str) -> bool:
    """Whether an Accept header names JSON, and no form of Prometheus' before it."""
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    known = [kind for kind in kinds if kind in (_JSON, "text/plain", "application/openmetrics-text")]
    return known[:1] == [_JSON]


def as_json(registry: CollectorRegistry) -> dict[str, Any]:
    """Each sample by its name: a number, or a list of ``{"labels", "value"}`` where it has labels."""
    found: dict[str, Any] = {}
    for family in registry.collect():
        for sample in family.samples:
            value = sample.value if math.isfinite(sample.value) else None
            if sample.labels:
                found.setdefault(sample.name, []).append({"labels": sample.labels, "value": value})
            else:
                found[sample.name] = value
    return found


def _prometheus(registry: CollectorRegistry, accept: str) -> Response:
    encoder, content_type = choose_encoder(accept)
    return Response(encoder(registry), media_type=content_type)


def _check_enabled(request: Request) -> None:
    if not getattr(request.app.state, "metrics_enabled", True):
        raise Problem(404, "Metrics are switched off", "Set POSTA_HTTP__METRICS_ENABLED to true.")

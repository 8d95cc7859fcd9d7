"""Ingress is tried with what its own OpenAPI description allows, and with what it does not."""

import warnings

import pytest
from hypothesis import HealthCheck, given, settings

from posta.auth import describe_key
from posta.postgres.migrations import migrate

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
pytestmark = pytest.mark.integration
_EVERYTHING = frozenset(
    {"events:publish", "events:read", "governor:read", "interactions:read", "pull:consume", "pull:operate"}
)
_EXAMPLES = 8


@pytest.fixture
async def world(world_of, database_url):
    await migrate(database_url)
    made = world_of(POSTA_DATABASE__URL=database_url)
    made.process._env["POSTA_API_KEYS"] = describe_key(made.api_key, name="all", scopes=_EVERYTHING)
    await made.start()
    return made


def test_nothing_that_the_description_allows_or_forbids_is_ever_500(world):
    schema = schemathesis.openapi.from_url(f"{world.process.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 5
    for operation in operations:
        _try(operation, {"authorization": f"Bearer {world.api_key}"})


def _try(operation, headers):
    @given(case=operation.as_strategy())
    @settings(max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(case):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            response = case.call(headers=headers)
        place = f"{operation.method} {operation.path}: {response.status_code} {response.text[:300]}"
        assert response.status_code < 500, place
        if response.status_code >= 400 and response.content:
            assert response.headers["content-type"][0] == "application/problem+json" or (
                "application/problem+json" in response.headers["content-type"]
            ), place

    check()

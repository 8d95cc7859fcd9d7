"""Discord's official OpenAPI description, where it lies beside this repository, as a check of bodies."""

import json
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures" / "discord"
ROOT = "urn:discord"


@cache
def description():
    """The description; skips the test when it is not there."""
    found = sorted(FIXTURES.glob("openapi_v10_*.json"))
    if not found:
        pytest.skip("Discord's OpenAPI description is not beside this repository")
    return json.loads(found[-1].read_text())


def check_request(method, path, body):
    """Raise unless Discord's description allows ``body`` at ``method`` of the path template."""
    operation = description()["paths"][path][method.lower()]
    assert operation["requestBody"]["content"]["application/json"]
    pointer = "/".join(
        part.replace("~", "~0").replace("/", "~1")
        for part in ("paths", path, method.lower(), "requestBody", "content", "application/json", "schema")
    )
    resource = Resource.from_contents(description(), default_specification=DRAFT202012)
    registry = Registry().with_resource(ROOT, resource)
    Draft202012Validator({"$ref": f"{ROOT}#/{pointer}"}, registry=registry).validate(body)

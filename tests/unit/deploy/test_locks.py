"""What the images install is what is tested, and all that the services need."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
OURS = {"posta", "ingress", "llm_worker", "email_poller", "notifier", "dlq_admin"}


def locked(name):
    """Each requirement of a lock: name → (version and marker, hashes)."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        match = re.match(
            r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<pin>.+?)(?P<hashes>( +--hash=\S+)+)$", line
        )
        if match:
            found[canonical(match["name"])] = (match["pin"].strip(), frozenset(match["hashes"].split()))
    return found


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        pytest.param("requirements-services.txt", "requirements.txt", id="images within make up"),
        pytest.param("requirements.txt", "requirements-dev.txt", id="make up within the tests"),
    ],
)
def test_a_lock_is_part_of_the_next_with_the_same_versions_and_hashes(smaller, larger):
    part, whole = locked(smaller), locked(larger)
    assert len(part) > 20
    assert {name: whole.get(name) for name in part} == part


@pytest.mark.parametrize(
    "name", ["requirements-services.txt", "requirements.txt", "requirements-dev.txt", "requirements-uv.txt"]
)
def test_a_lock_names_no_place_to_download_from(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text


def imports_of_services():
    for folder in (ROOT / "libs/common/src", *(ROOT / "services").glob("*/src")):
        for file in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    yield from (alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    yield node.module.partition(".")[0]


@pytest.mark.slow
def test_the_images_hold_every_package_that_a_service_imports():
    foreign = set(imports_of_services()) - OURS - set(sys.stdlib_module_names)
    assert {"aiokafka", "asyncpg", "fastapi", "pydantic"} <= foreign
    held = locked("requirements-services.txt").keys()
    provided = packages_distributions()
    missing = {
        module: provided.get(module)
        for module in foreign
        if not {canonical(distribution) for distribution in provided.get(module, ())} & held
    }
    assert not missing

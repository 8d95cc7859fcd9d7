"""The committed reference is what the code says now."""

import ast
import re
from pathlib import Path

import pytest
import typer
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel, Field, SecretStr
from typer.testing import CliRunner

from posta.domain.payloads import PAYLOADS, Payload
from posta.settings import Group, ServiceSettings
from posta.telemetry import names
from posta.telemetry.tally import TallyCounter, TallyHistogram
from posta.topics import all_topics
from posta_cli.__main__ import app
from posta_cli.reference import folder, record_headers, shape, topics_page
from posta_cli.reference.docstrings import of_fields
from posta_cli.reference.example import example
from posta_cli.reference.markdown import NOTHING, table
from posta_cli.reference.pages import pages
from posta_cli.reference.services import all_services
from posta_cli.reference.variables import variables

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def made():
    return pages(typer.main.get_command(app))


def test_the_committed_pages_are_what_the_code_says_now(made):
    stale = folder.stale(REFERENCE, made)
    assert not stale, f"run `make reference` and commit what it changes: {', '.join(stale)}"


def test_making_the_pages_twice_gives_the_same(made):
    assert pages(typer.main.get_command(app)) == made


def test_no_page_names_this_machine(made):
    for name, text in made.items():
        assert str(ROOT) not in text, name
        assert str(Path.home()) + "/" not in text, name


def test_every_link_between_pages_leads_somewhere(made):
    for name, text in made.items():
        for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", text):
            page = made[target or name]
            headings = {
                "#" + re.sub(r"[^\w\- ]", "", title).replace(" ", "-").lower()
                for title in re.findall(r"^#+ (.+)$", page, re.MULTILINE)
            }
            assert not anchor or anchor in headings, f"{name}: {target}{anchor}"


def test_every_topic_has_its_row(made):
    for topic in all_topics():
        assert f"| `{topic.name}` |" in made["topics.md"]


def test_every_metric_has_its_row(made):
    kinds = MetricWrapperBase | TallyCounter | TallyHistogram
    metrics = [one.describe()[0].name for one in vars(names).values() if isinstance(one, kinds)]
    rows = [line.split("`")[1] for line in made["metrics.md"].splitlines() if line.startswith("| `")]
    for metric in metrics:
        assert any(row.startswith(metric) for row in rows), metric
    assert len(rows) == len(metrics)


def test_no_metric_is_defined_outside_the_one_file_of_names():
    kinds = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    files = [
        file
        for folder_of in ("libs/common/src", "services")
        for file in (ROOT / folder_of).rglob("*.py")
        if file.name != "names.py"
    ]
    assert len(files) > 50
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client":
                imported = {alias.name for alias in node.names}
                assert not imported & kinds, f"{file}: {imported & kinds}"


def test_every_setting_of_every_service_says_what_it_means():
    silent = [
        f"{service.name}: {variable.name}"
        for service in all_services()
        for variable in variables(service.settings).values()
        if not variable.meaning
    ]
    assert not silent


def test_every_field_of_every_event_says_what_it_means():
    silent = [
        f"{model.__name__}.{field}"
        for model in PAYLOADS.values()
        for field in model.model_fields
        if field not in of_fields(model)
    ]
    assert not silent


@pytest.mark.parametrize("model", PAYLOADS.values(), ids=lambda model: model.TYPE)
def test_an_example_is_accepted_by_its_own_model(model: type[Payload]):
    read = model.model_validate_json(example(model))
    assert set(read.model_fields_set) == set(model.model_fields)


def test_an_example_of_a_model_with_an_unknown_field_fails_rather_than_invents():
    class Surprising(BaseModel):
        never_heard_of: str

    with pytest.raises(KeyError, match="never_heard_of"):
        example(Surprising)


class Inner(Group):
    """A group."""

    plain: int = Field(default=3, ge=1, le=9)
    """What ``plain`` is."""
    hidden: SecretStr = SecretStr("hunter2")
    optional: str | None = None
    needed: str


class Outer(ServiceSettings):
    """Settings."""

    inner: Inner
    alone: float = 2.0


def test_a_variable_is_named_limited_and_explained():
    found = variables(Outer)
    plain = found["POSTA_INNER__PLAIN"]
    assert (plain.allowed, plain.default, plain.meaning) == (
        "whole number, 1 to 9",
        "3",
        "What ``plain`` is.",
    )
    assert found["POSTA_ALONE"].default == "2"
    assert found["POSTA_INNER__NEEDED"].is_required
    assert not found["POSTA_INNER__OPTIONAL"].has_default


def test_the_default_of_a_secret_is_not_given_away():
    hidden = variables(Outer)["POSTA_INNER__HIDDEN"]
    assert hidden.is_secret
    assert hidden.has_default
    assert "hunter2" not in repr(hidden)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        pytest.param(
            {"type": "number", "exclusiveMinimum": 0, "maximum": 2.5}, "number, above 0, at most 2.5"
        ),
        pytest.param({"type": "string", "minLength": 1}, "text, not empty"),
        pytest.param({"type": "string", "pattern": r"^[^\x00-\x1f\x7f]+$"}, "text, no control characters"),
        pytest.param({"type": "integer", "minimum": 1, "maximum": 2**63 - 1}, "whole number, at least 1"),
        pytest.param({"enum": ["a", "b"]}, "`a` or `b`"),
        pytest.param(
            {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}]},
            "text, at most 9 characters; or null",
        ),
        pytest.param({"type": "array", "items": {"type": "string"}}, "list of text"),
        pytest.param({"$ref": "#/$defs/Person"}, "Person"),
        pytest.param({}, "any JSON"),
    ],
)
def test_a_schema_is_said_in_words(schema, said):
    assert shape.describe(schema) == said


def test_a_cell_cannot_break_its_table():
    assert table(("a",), [("x | y\nz",), ("",)]).splitlines()[2:] == [r"| x \| y z |", f"| {NOTHING} |"]


def test_every_header_that_code_writes_is_explained():
    listed = [*record_headers.of_events(), *record_headers.of_deliveries(), *record_headers.of_dead_letters()]
    assert all(one.meaning for one in listed)
    assert len({one.name for one in listed}) == len(listed)


@pytest.mark.parametrize(
    ("seconds", "said"), [(7 * 86_400, "7 d"), (7 * 86_400 + 600, "7 d 10 min"), (3605, "1 h 5 s")]
)
def test_a_duration_is_said_in_units(seconds, said):
    assert topics_page._duration(seconds) == said


def test_the_command_finds_the_pages_up_to_date(made):
    checked = CliRunner().invoke(app, ["reference", "--check", "--out", str(REFERENCE)])
    assert checked.exit_code == 0, checked.exception


def test_check_names_what_is_stale_and_says_what_to_do(tmp_path, made, monkeypatch):
    monkeypatch.setattr("posta_cli.reference.pages.pages", lambda _root: made)
    runner = CliRunner()
    assert runner.invoke(app, ["reference", "--out", str(tmp_path)]).exit_code == 0
    assert runner.invoke(app, ["reference", "--check", "--out", str(tmp_path)]).exit_code == 0
    (tmp_path / "topics.md").write_text("something else")
    (tmp_path / "forgotten.md").write_text("nothing makes this")
    failed = runner.invoke(app, ["reference", "--check", "--out", str(tmp_path)])
    assert failed.exit_code == 1
    assert "forgotten.md, topics.md" in str(failed.exception)
    assert "make reference" in str(failed.exception)
    assert runner.invoke(app, ["reference", "--out", str(tmp_path)]).exit_code == 0
    assert folder.stale(tmp_path, made) == ["forgotten.md"]

"""`posta catalogue` on a real PostgreSQL: a dry run, an import, a search, and what a wrong file says."""

import asyncio

import pytest
from typer.testing import CliRunner

from posta.postgres.migrations import migrate
from posta_cli.__main__ import app
from posta_cli.errors import CommandError

pytestmark = pytest.mark.integration
CSV = "sku;name;price;stock\nS-1;Sudadera azul;29,95;4\nG-1;Gorra;12;0\n"


@pytest.fixture
def posta(database_url, tmp_path, monkeypatch):
    asyncio.run(migrate(database_url))
    monkeypatch.setenv("POSTA_DATABASE__URL", database_url)
    monkeypatch.setenv("POSTA_HOME", str(tmp_path / "home"))
    (tmp_path / "goods.csv").write_text(CSV, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        done = CliRunner().invoke(app, ["catalogue", *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


def test_a_dry_run_shows_the_changes_and_an_import_makes_them(posta):
    shown = posta("import", "goods.csv", "--dry-run")
    assert "+ S-1" in shown
    assert "Nothing was changed" in shown
    assert "No product." in posta("search", "sudadera")

    assert "2 added, 0 changed, 0 removed." in posta("import", "goods.csv")
    found = posta("search", "¿cuánto cuesta la sudadera?")
    assert "Asked: price" in found
    assert "price 29.95 EUR; 4 in stock" in found

    assert "Nothing differs." in posta("import", "goods.csv")


def test_a_wrong_file_imports_nothing_and_says_which_row(posta, tmp_path):
    (tmp_path / "goods.csv").write_text(CSV + ";Sin código;1;1\n", encoding="utf-8")
    with pytest.raises(CommandError, match="row 4: sku"):
        posta("import", "goods.csv")
    assert "No product." in posta("search", "sudadera")

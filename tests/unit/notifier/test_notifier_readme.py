"""The README's table of tests names tests that exist."""

import re

from support.processes import REPOSITORY


def test_every_test_that_the_readme_names_exists():
    readme = (REPOSITORY / "services" / "notifier" / "README.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", readme))
    assert len(named) > 30
    written: set[str] = set()
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        written.update(re.findall(r"def (test_\w+)", path.read_text()))
    assert named <= written, f"not there: {sorted(named - written)}"

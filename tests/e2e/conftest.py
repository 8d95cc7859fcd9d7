"""The whole system, started once for all end-to-end tests; and one of a test's own for rough ones."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from support.running_system import RunningSystem
from support.system import Posta

CHROMIUM = next(
    (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """The shared system, ready; leave it ready. `.status` is `posta status --json`."""
    running = RunningSystem(tmp_path_factory.mktemp("system") / "home")
    running.up()
    yield running
    running.down()


@pytest.fixture
def own_system(tmp_path: Path) -> Iterator[Callable[..., RunningSystem]]:
    """Make systems of this test alone, not yet started: `own_system(env={…})`."""
    made: list[RunningSystem] = []

    def make(**options: dict[str, str]) -> RunningSystem:
        made.append(RunningSystem(tmp_path / f"system{len(made)}" / "home", **options))
        made[-1].home.parent.mkdir()
        return made[-1]

    yield make
    for system in made:
        system.down()


@pytest.fixture
def posta(system: RunningSystem) -> Iterator[Posta]:
    """The shared system without faults and with every service up, and what people do with it."""
    actor = Posta(system)
    actor.clear_faults()
    actor.wait_ready()
    yield actor
    actor.clear_faults()
    actor.http.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless browser of this machine; tests that need one skip by name where there is none.

    Not for the whole session: Playwright's synchronous form keeps a loop running in this thread, and
    no asynchronous test could run beside it.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()

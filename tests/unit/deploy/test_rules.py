"""The YAML rules in `deploy/config` are ones the services accept, and none lies there unread."""

from pathlib import Path

import pytest

from ingress.commands.rules import FILE_NAME as COMMANDS
from ingress.commands.rules import load_commands
from ingress.limits.hours import FILE_NAME as HOURS
from ingress.limits.hours import load_hours
from ingress.receivers.rules import FILE_NAME as RECEIVERS
from ingress.receivers.rules import load_receivers
from llm_worker.faq.evaluation_file import FILE_NAME as FAQ_EVALUATION
from llm_worker.faq.evaluation_file import read_evaluation
from llm_worker.faq.file import FILE_NAME as FAQ
from llm_worker.faq.file import read_faq
from llm_worker.providers.lineup import load_lineup
from llm_worker.providers.rules import FILE_NAME as MODELS
from llm_worker.rules import PATH as ANSWERS
from llm_worker.rules import load_rules
from llm_worker.settings import LlmSettings
from notifier.rendering.templates import FOLDER as TEMPLATES
from notifier.rendering.templates import load_templates
from notifier.routing.rules import FILE_NAME as ROUTES
from notifier.routing.rules import load_routes
from posta.destinations import FILE_NAME as DESTINATIONS
from posta.destinations import load_destinations

TEMPLATE_FILES = (
    "alert.yaml",
    "backup.yaml",
    "minecraft.yaml",
    "posta.destination.disabled.yaml",
    "posta.digest.yaml",
    "posta.handover.yaml",
)
CONFIG = Path(__file__).resolve().parents[3] / "deploy" / "config"

LOADERS = {
    COMMANDS: lambda: load_commands(CONFIG / COMMANDS),
    HOURS: lambda: load_hours(CONFIG / HOURS),
    RECEIVERS: lambda: load_receivers(CONFIG / RECEIVERS),
    DESTINATIONS: lambda: load_destinations(CONFIG / DESTINATIONS),
    ROUTES: lambda: load_routes(CONFIG),
    **{f"{TEMPLATES}/{name}": lambda: load_templates(CONFIG) for name in TEMPLATE_FILES},
    ANSWERS.as_posix(): lambda: load_rules(CONFIG),
    FAQ: lambda: read_faq(CONFIG / FAQ),
    FAQ_EVALUATION: lambda: read_evaluation(CONFIG / FAQ_EVALUATION),
    MODELS: lambda: load_lineup(CONFIG, LlmSettings(), {}),
}
"""What each service reads at its start, by the file's path below the folder."""


@pytest.mark.parametrize("name", LOADERS)
def test_a_rules_file_is_accepted_by_the_service_that_reads_it(name):
    assert LOADERS[name]()


def test_every_file_of_rules_is_read_by_a_service_or_a_command():
    assert {file.relative_to(CONFIG).as_posix() for file in CONFIG.rglob("*") if file.is_file()} == set(
        LOADERS
    )

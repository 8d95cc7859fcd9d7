"""Checks of the configuration: every service's settings and rules, as the service will read them."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from posta.errors import ConfigurationError
from posta.settings import ServiceSettings, load
from posta_cli.doctor.finding import Finding, fail, ok, warn
from posta_cli.supervisor import plan
from posta_cli.supervisor.plan import ProcessPlan
from posta_cli.supervisor.surroundings import Surroundings


def services(around: Surroundings) -> list[Finding]:
    """Ask whether each service would accept its environment."""
    return [_service(process, around) for process in plan.services(around)]


def _service(process: ProcessPlan, around: Surroundings) -> Finding:
    kinds = list(_settings_kinds(process.module))
    if len(kinds) != 1:
        return warn(process.name, "has no settings to check", "Reinstall the services: `make up`.")
    try:
        load(kinds[0], {**around.given, **process.env})
    except ConfigurationError as exc:
        return fail(process.name, f"refuses its configuration: {exc}", "Correct these variables.")
    return ok(process.name, "accepts its configuration")


def _settings_kinds(module: str) -> Iterator[type[ServiceSettings]]:
    """Yield the settings class of a service; found by name, for the command imports no service."""
    try:
        settings: Any = importlib.import_module(f"{module}.settings")
    except ModuleNotFoundError:
        return
    for value in vars(settings).values():
        if (
            isinstance(value, type)
            and issubclass(value, ServiceSettings)
            and value.__module__ == settings.__name__
        ):
            yield value


def rules_folder(folder: Path | None) -> Finding:
    """Ask whether there are rules."""
    if folder is None:
        return warn("rules", "no deploy/config here", "Set POSTA_CONFIG_DIR to your rules' folder.")
    if not folder.is_dir():
        return fail("rules", f"{folder} is no folder", "Correct POSTA_CONFIG_DIR.")
    return ok("rules", str(folder))

"""Which cluster and database a command works on: those set, else those of the running system."""

from collections.abc import Mapping
from pathlib import Path

from posta.errors import ConfigurationError
from posta.settings import ServiceSettings, load
from posta_cli import contact
from posta_cli.errors import ConfigurationRefusedError, NotRunningError
from posta_cli.given import has, read_given
from posta_cli.home import locate
from posta_cli.supervisor.surroundings import DATABASE_VARIABLE, KAFKA_VARIABLE


def shared_settings(environ: Mapping[str, str], folder: Path) -> ServiceSettings:
    """Return the settings all services share, with a running system's addresses where none is set.

    Raises ConfigurationRefusedError naming each variable that is wrong.
    """
    given = read_given(environ, folder)
    try:
        return load(ServiceSettings, {**_running(given), **given})
    except ConfigurationError as exc:
        raise ConfigurationRefusedError(f"{exc}.", "Correct these variables.") from exc


def _running(given: Mapping[str, str]) -> dict[str, str]:
    """Return the addresses of the system that runs in the home, if one does."""
    if has(given, KAFKA_VARIABLE) and has(given, DATABASE_VARIABLE):
        return {}
    try:
        status = contact.ask(locate(given), "status")["status"]
    except NotRunningError:
        return {}
    found = {}
    if not has(given, KAFKA_VARIABLE):
        found[KAFKA_VARIABLE] = status["kafka"]["bootstrap_servers"]
    if not has(given, DATABASE_VARIABLE):
        found[DATABASE_VARIABLE] = status["database"]["url"]
    return found

"""The rules that are in force now, read again on SIGHUP: a file that is wrong changes nothing."""

from pathlib import Path

from ingress.commands.rules import FILE_NAME as COMMANDS_FILE
from ingress.commands.rules import Commands, load_commands
from ingress.interactions.decision import Rulebook
from ingress.interactions.providers import Suggesters
from ingress.limits.hours import FILE_NAME as HOURS_FILE
from ingress.limits.hours import ServiceHours, load_hours
from posta.destinations import FILE_NAME as DESTINATIONS_FILE
from posta.destinations import Destinations, load_destinations
from posta.errors import ConfigurationError


class LiveRules:
    """Commands and service hours as they are now."""

    def __init__(self, config_dir: Path) -> None:
        """Read all files. Raises ``ConfigurationError`` naming file, path in it and reason."""
        self._config_dir = config_dir
        self.suggesters = Suggesters()
        self.reload()

    def reload(self) -> None:
        """Read all files again. Raises ``ConfigurationError``, and then everything stays as it was."""
        commands, hours, destinations = self._read()
        self.commands = commands
        self.hours = hours
        self._default_destination = destinations.default
        self.suggesters.use(commands)

    @property
    def rulebook(self) -> Rulebook:
        """What decisions are made by now."""
        return Rulebook(
            commands=self.commands,
            lists=self.suggesters.lists,
            default_destination=self._default_destination,
        )

    def _read(self) -> tuple[Commands, ServiceHours, Destinations]:
        commands = load_commands(self._config_dir / COMMANDS_FILE)
        hours = load_hours(self._config_dir / HOURS_FILE)
        destinations = load_destinations(self._config_dir / DESTINATIONS_FILE)
        unknown = sorted(name for name in commands.destinations if destinations.get(name) is None)
        if unknown:
            file = self._config_dir / COMMANDS_FILE
            raise ConfigurationError(f"{file}: destination {unknown[0]!r} is not in {DESTINATIONS_FILE}")
        return commands, hours, destinations

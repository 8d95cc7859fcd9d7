"""The five services' code, imported by name: the command must start without them."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from pydantic import BaseModel

from posta.settings import ServiceSettings
from posta_cli.errors import CommandError
from posta_cli.supervisor.plan import SERVICES


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCode:
    """One service as its package shows it."""

    name: str
    settings: type[ServiceSettings]


def all_services() -> tuple[ServiceCode, ...]:
    """Return every service, in the order of the flow. Raises CommandError when one is not installed."""
    return tuple(
        ServiceCode(name=service.name, settings=_settings_of(part(service.module, "settings")))
        for service in SERVICES
    )


def part(package: str, module: str) -> ModuleType:
    """Return a module of a service. Raises CommandError when the service is not installed."""
    try:
        return import_module(f"{package}.{module}")
    except ModuleNotFoundError as exc:
        if exc.name is None or exc.name.partition(".")[0] != package:
            raise
        raise CommandError(
            f"The service {package} is not installed.",
            "The reference is made in a checkout of the repository: make reference",
        ) from exc


def _settings_of(module: ModuleType) -> type[ServiceSettings]:
    """The one class in the module that every group hangs on."""
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, ServiceSettings)
        and value.__module__ == module.__name__
    )
    return found


def shares(group: type[BaseModel]) -> bool:
    """Tell whether a group of settings is every service's."""
    return any(field.annotation is group for field in ServiceSettings.model_fields.values())

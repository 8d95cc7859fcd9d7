"""Brings a cluster's topics and a database's tables in line with this version: ``python -m posta.setup``.

What `posta topics apply` and `posta db migrate` do, in one step and without the command installed, for
a container that runs before the services start. Safe to repeat and to run several times at once.

Exit codes: 0 all is in line, 1 Kafka or PostgreSQL did not do what was asked, 78 (EX_CONFIG) wrong
configuration.
"""

import asyncio
import sys

from posta.errors import ConfigurationError, PostaError
from posta.kafka.topics import apply
from posta.postgres.migrations import migrate
from posta.settings import ServiceSettings, load

EX_CONFIG = 78


async def prepare(settings: ServiceSettings) -> None:
    """Create what is missing. Raises what ``apply`` and ``migrate`` raise."""
    for change in await apply(settings.kafka):
        sys.stdout.write(f"topic {change.topic}: {change.kind.value}: {change.detail}\n")
    for name in await migrate(settings.database.url.get_secret_value()):
        sys.stdout.write(f"migration {name}: applied\n")


def main() -> int:
    """Bring all in line and return the exit code of the module's docs; the reason goes to stderr."""
    try:
        asyncio.run(prepare(load(ServiceSettings)))
    except ConfigurationError as exc:
        sys.stderr.write(f"setup: configuration error: {exc}\n")
        return EX_CONFIG
    except PostaError as exc:
        sys.stderr.write(f"setup: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

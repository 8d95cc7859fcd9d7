"""Brings a cluster's topics and a database's tables in line with this version: ``python -m posta.setup``.

What `posta topics apply` and `posta db migrate` do, in one step and without the command installed, for
a container that runs before the services start. Safe to repeat and to run several times at once.
"""

import asyncio
import sys

from posta.errors import PostaError
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
    """Exit code 0 when all is in line, 78 when it could not be brought there."""
    try:
        asyncio.run(prepare(load(ServiceSettings)))
    except PostaError as exc:
        sys.stderr.write(f"setup: {exc}\n")
        return EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Brings Kafka's topics and PostgreSQL's tables to what this version declares."""

from posta.errors import ConfigurationError, PostaError
from posta.kafka import topics
from posta.postgres import migrations
from posta.settings import ServiceSettings, load
from posta_cli.errors import ConfigurationRefusedError, StartFailedError
from posta_cli.supervisor.surroundings import DATABASE_VARIABLE, KAFKA_VARIABLE, Surroundings


def settings_of(around: Surroundings) -> ServiceSettings:
    """Return the settings all services share, as they will read them.

    Raises ConfigurationRefusedError naming each variable that is wrong.
    """
    computed = {}
    if around.parts.kafka:
        computed[KAFKA_VARIABLE] = around.bootstrap_servers
    if around.parts.postgres and around.database_url:
        computed[DATABASE_VARIABLE] = around.database_url
    try:
        return load(ServiceSettings, {**around.given, **computed})
    except ConfigurationError as exc:
        raise ConfigurationRefusedError(str(exc), "Correct these variables.") from exc


async def bring_topics(around: Surroundings) -> None:
    """Create the topics that are missing. Raises StartFailedError."""
    try:
        await topics.apply(settings_of(around).kafka)
    except PostaError as exc:
        raise StartFailedError(
            f"The topics cannot be brought up to date: {exc}.",
            "Check POSTA_KAFKA__BOOTSTRAP_SERVERS and the cluster, then start again.",
        ) from exc


async def bring_tables(around: Surroundings) -> None:
    """Run the migrations that are pending. Raises StartFailedError."""
    try:
        await migrations.migrate(settings_of(around).database.url.get_secret_value())
    except PostaError as exc:
        raise StartFailedError(
            f"The migrations cannot run: {exc}.",
            "Check POSTA_DATABASE__URL and the database, then start again.",
        ) from exc

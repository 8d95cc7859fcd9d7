"""Variables by the names that earlier systems gave them, taken for the ones that mean the same here."""

from collections.abc import MutableMapping
from dataclasses import dataclass

EARLIER_NAMES = {
    "DISCORD_MAX_WORKERS": "POSTA_DISCORD__CONCURRENCY",
    "DISCORD_REQUEST_TIMEOUT": "POSTA_DISCORD__TIMEOUT_S",
    "DISCORD_MAX_RETRIES": "POSTA_DISCORD__MAX_RETRIES",
    "DISCORD_QUEUE_MAX_SIZE": "POSTA_INGRESS__SPOOL_MAX_EVENTS",
    "DISCORD_RATE_LIMIT_PER_MINUTE": "POSTA_GOVERNOR__MAX_PER_USER_PER_MINUTE",
    "DISCORD_METRICS_ENABLED": "POSTA_HTTP__METRICS_ENABLED",
    "DISCORD_LOG_INTERACTIONS": "POSTA_INGRESS__LOG_INTERACTIONS",
    "GOVERNOR_ENABLED": "POSTA_GOVERNOR__ENABLED",
    "GOVERNOR_MAX_MESSAGES_PER_MINUTE": "POSTA_GOVERNOR__MAX_MESSAGES_PER_MINUTE",
    "GOVERNOR_MAX_PER_USER_PER_MINUTE": "POSTA_GOVERNOR__MAX_PER_USER_PER_MINUTE",
    "GOVERNOR_MAX_PER_GUILD_PER_MINUTE": "POSTA_GOVERNOR__MAX_PER_GUILD_PER_MINUTE",
    "GOVERNOR_DEDUPE_WINDOW_MS": "POSTA_GOVERNOR__DEDUPE_WINDOW_MS",
    "CONTEXT_TURNS_LIMIT": "POSTA_MEMORY__TURNS_LIMIT",
    "HISTORIAL_SUMMARY_THRESHOLD": "POSTA_MEMORY__SUMMARY_THRESHOLD",
    "THREAD_TOKEN_THRESHOLD": "POSTA_MEMORY__CLEANUP_THRESHOLD",
    "CLEANUP_INTERVAL": "POSTA_MEMORY__CLEANUP_INTERVAL_S",
    "GOVERNOR_MAX_QUEUE_AGE_S": "POSTA_GOVERNOR__MAX_QUEUE_AGE_S",
}
"""The earlier name → the one it is taken for. A service ignores what is not its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """One variable that was found under its earlier name."""

    name: str
    means: str
    is_overruled: bool
    """Its present name is set, too, and counts."""


def adopt(environ: MutableMapping[str, str]) -> tuple[Adopted, ...]:
    """Set each variable of ``environ`` that is there by its earlier name only; say which were found."""
    found = []
    for name, means in EARLIER_NAMES.items():
        if name in environ:
            is_overruled = means in environ and environ[means] != environ[name]
            environ.setdefault(means, environ[name])
            found.append(Adopted(name=name, means=means, is_overruled=is_overruled))
    return tuple(found)

"""Gathers everything a run depends on: the home, its secrets, the ports, what the person set."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from posta_cli import ports, rules
from posta_cli.credentials import Credentials, generate, load_or_generate
from posta_cli.home import Home, read_ports, save_ports
from posta_cli.supervisor import plan
from posta_cli.supervisor.schema import settings_of
from posta_cli.supervisor.surroundings import HOST, Parts, Surroundings
from posta_sandbox.embedded import ports as loopback
from posta_sandbox.keys import public_key_hex, webhook_url

_MADE_UP_DATABASE = "postgresql://posta@127.0.0.1/posta"


def assemble(home: Home, given: Mapping[str, str], parts: Parts, folder: Path) -> Surroundings:
    """Choose the ports, make or read the secrets, and return what the plan needs.

    The chosen ports are kept in the home for the next run. Raises a CommandError when a port is
    taken, the home is damaged or a shared setting is wrong: nothing has been started then.
    """
    kept = read_ports(home)
    chosen = ports.choose(
        plan.ports_needed(parts),
        given,
        kept,
        is_free=loopback.is_free,
        free_port=loopback.free_port,
    )
    around = _surroundings(home, given, parts, folder, chosen, load_or_generate(home))
    save_ports(home, kept | chosen)
    return around


def imagine(home: Home, given: Mapping[str, str], parts: Parts, folder: Path) -> Surroundings:
    """Return surroundings with made-up ports and secrets: to check settings, not to start anything."""
    made_up = {name: 20_000 + number for number, name in enumerate(plan.ports_needed(parts))}
    around = _surroundings(home, given, parts, folder, made_up, generate())
    return around if around.database_url else replace(around, database_url=_MADE_UP_DATABASE)


def _surroundings(
    home: Home,
    given: Mapping[str, str],
    parts: Parts,
    folder: Path,
    chosen: Mapping[str, int],
    credentials: Credentials,
) -> Surroundings:
    config_dir = rules.find(given, folder)
    around = Surroundings(
        given=given,
        parts=parts,
        ports=chosen,
        credentials=credentials,
        discord_public_key=public_key_hex(credentials.discord_seed),
        home=home,
        bootstrap_servers=f"{HOST}:{chosen['kafka']}" if "kafka" in chosen else "",
        config_dir=config_dir,
        webhooks=_webhooks(credentials.discord_seed, chosen, config_dir),
    )
    return _with_brought_servers(around)


def _webhooks(seed: str, chosen: Mapping[str, int], config_dir: Path | None) -> dict[str, str]:
    if "sandbox" not in chosen:
        return {}
    base = f"http://{HOST}:{chosen['sandbox']}"
    return {
        variable: webhook_url(base, seed, rules.webhook_name(variable))
        for variable in rules.webhook_variables(config_dir)
    }


def _with_brought_servers(around: Surroundings) -> Surroundings:
    """Fill in the addresses of servers the person brought, checked as the services check them."""
    settings = settings_of(around)
    if not around.parts.kafka:
        around = replace(around, bootstrap_servers=settings.kafka.bootstrap_servers)
    if not around.parts.postgres:
        around = replace(around, database_url=settings.database.url.get_secret_value())
    return around

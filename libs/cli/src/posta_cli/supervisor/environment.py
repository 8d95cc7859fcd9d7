"""PURE: the environment of each process: what it needs, and no other process's secrets."""

from posta_cli.credentials import api_keys_value, bot_token, destinations_key
from posta_cli.given import has
from posta_cli.supervisor.surroundings import (
    DATABASE_VARIABLE,
    HOST,
    KAFKA_VARIABLE,
    Surroundings,
    llm_url,
    sandbox_url,
    url_of,
    uses_generated_keys,
    uses_sandbox_discord,
    uses_sandbox_llm,
)


def of_service(around: Surroundings, name: str) -> dict[str, str]:
    """Return what is added to the person's variables for one service."""
    shared = _for_every_service(around, name)
    match name:
        case "ingress":
            return shared | _discord_intake(around) | _api_keys(around)
        case "llm-worker":
            return shared | _llm(around) | _api_keys(around)
        case "email-poller":
            return shared | _mailbox(around, imap=True)
        case "notifier":
            mail = _mailbox(around, imap=False)
            return shared | _discord_delivery(around) | _registry(around) | mail | _api_keys(around)
        case "dlq-admin":
            return shared | _api_keys(around)
        case _:
            raise ValueError(f"there is no service {name!r}")


def of_sandbox(around: Surroundings) -> dict[str, str]:
    """Return what is added to the person's variables for the look-alikes."""
    secret, ports = around.credentials, around.ports
    env = {
        "POSTA_SANDBOX__HOST": HOST,
        "POSTA_SANDBOX__PORT": str(ports["sandbox"]),
        "POSTA_SANDBOX__DISCORD_SEED": secret.discord_seed,
        "POSTA_SANDBOX__APPLICATION_ID": secret.application_id,
    }
    if around.parts.services:
        env["POSTA_SANDBOX__INGRESS_URL"] = url_of(ports["ingress"])
    if around.parts.mail:
        env |= {
            "POSTA_SANDBOX__SMTP_PORT": str(ports["sandbox-smtp"]),
            "POSTA_SANDBOX__IMAP_PORT": str(ports["sandbox-imap"]),
            "POSTA_SANDBOX__SMTP_UPSTREAM_PORT": str(ports["mail-smtp"]),
            "POSTA_SANDBOX__IMAP_UPSTREAM_PORT": str(ports["mail-imap"]),
            "POSTA_SANDBOX__MAIL_ADDRESS": secret.mail_address,
            "POSTA_SANDBOX__MAIL_PASSWORD": secret.mail_password,
        }
    return env


def _for_every_service(around: Surroundings, name: str) -> dict[str, str]:
    env = {
        "POSTA_HTTP__HOST": HOST,
        "POSTA_HTTP__PORT": str(around.ports[name]),
        "POSTA_STATE_DIR": str(around.home.services),
    }
    if around.parts.kafka:
        env[KAFKA_VARIABLE] = around.bootstrap_servers
    if around.parts.postgres:
        env[DATABASE_VARIABLE] = around.database_url
    if around.config_dir is not None and not has(around.given, "POSTA_CONFIG_DIR"):
        env["POSTA_CONFIG_DIR"] = str(around.config_dir)
    if around.parts.sandbox and not has(around.given, "OTEL_EXPORTER_OTLP_ENDPOINT"):
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = sandbox_url(around)
    return env


def _api_keys(around: Surroundings) -> dict[str, str]:
    if not uses_generated_keys(around):
        return {}
    return {"POSTA_API_KEYS": api_keys_value(around.credentials)}


def _discord_intake(around: Surroundings) -> dict[str, str]:
    if not uses_sandbox_discord(around):
        return {}
    from_sandbox = _discord_delivery(around)
    return {
        "POSTA_DISCORD__PUBLIC_KEYS": around.discord_public_key,
        "POSTA_DISCORD__APPLICATION_ID": around.credentials.application_id,
        "POSTA_DISCORD__API_URL": from_sandbox["POSTA_DISCORD__API_URL"],
    }


def _discord_delivery(around: Surroundings) -> dict[str, str]:
    webhooks = {name: url for name, url in around.webhooks.items() if not has(around.given, name)}
    if not uses_sandbox_discord(around):
        return webhooks if around.parts.sandbox else {}
    return {"POSTA_DISCORD__API_URL": f"{sandbox_url(around)}/api/v10", **webhooks}


def _registry(around: Surroundings) -> dict[str, str]:
    """What notifier needs for registered destinations and, at the look-alike, for the bot's calls."""
    env = {}
    if not has(around.given, "POSTA_DESTINATIONS__KEY"):
        env["POSTA_DESTINATIONS__KEY"] = destinations_key(around.credentials)
    if uses_sandbox_discord(around) and not has(around.given, "POSTA_DISCORD__BOT_TOKEN"):
        env["POSTA_DISCORD__BOT_TOKEN"] = bot_token(around.credentials)
    return env


def _llm(around: Surroundings) -> dict[str, str]:
    if not uses_sandbox_llm(around):
        return {}
    return {
        "POSTA_LLM__BASE_URL": llm_url(around),
        "POSTA_LLM__API_KEY": around.credentials.llm_key,
    }


def _mailbox(around: Surroundings, *, imap: bool) -> dict[str, str]:
    if not around.parts.mail:
        return {}
    env = {
        "POSTA_MAIL__ADDRESS": around.credentials.mail_address,
        "POSTA_MAIL__USERNAME": around.credentials.mail_address,
        "POSTA_MAIL__PASSWORD": around.credentials.mail_password,
        "POSTA_MAIL__SMTP_HOST": HOST,
        "POSTA_MAIL__SMTP_PORT": str(around.ports["sandbox-smtp"]),
        "POSTA_MAIL__SMTP_SECURITY": "plain",
    }
    if imap:
        env |= {
            "POSTA_MAIL__IMAP_HOST": HOST,
            "POSTA_MAIL__IMAP_PORT": str(around.ports["sandbox-imap"]),
            "POSTA_MAIL__IMAP_SECURITY": "plain",
        }
    return env

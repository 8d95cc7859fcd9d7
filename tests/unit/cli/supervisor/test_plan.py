from dataclasses import replace
from pathlib import Path

import pytest

from posta_cli.credentials import generate
from posta_cli.home import Home
from posta_cli.ports import VARIABLES
from posta_cli.supervisor import plan
from posta_cli.supervisor.surroundings import Parts, Surroundings, parts_to_start, sandbox_url

PORTS = {name: 21_000 + number for number, name in enumerate(VARIABLES)}


def around(given: dict[str, str] | None = None, *, sandbox: bool = True) -> Surroundings:
    given = given or {}
    return Surroundings(
        given=given,
        parts=parts_to_start(given, sandbox=sandbox),
        ports=PORTS,
        credentials=generate(),
        discord_public_key="ab" * 32,
        home=Home(Path("/home/posta")),
        bootstrap_servers="127.0.0.1:9092",
        database_url="postgresql://posta:pw@127.0.0.1/posta",
        webhooks={"POSTA_WEBHOOK_OPS": "http://sandbox/hook"},
    )


def env_of(name: str, surroundings: Surroundings) -> dict[str, str]:
    return dict(plan.process(surroundings, name).env)


@pytest.mark.parametrize(
    ("given", "sandbox", "parts"),
    [
        pytest.param({}, True, Parts(kafka=True, postgres=True, mail=True, sandbox=True), id="nothing set"),
        pytest.param(
            {"POSTA_KAFKA__BOOTSTRAP_SERVERS": "k:9092"},
            True,
            Parts(kafka=False, postgres=True, mail=True, sandbox=True),
            id="an own Kafka",
        ),
        pytest.param(
            {"POSTA_DATABASE__URL_FILE": "/run/secrets/db"},
            True,
            Parts(kafka=True, postgres=False, mail=True, sandbox=True),
            id="an own database, from a secret file",
        ),
        pytest.param(
            {"POSTA_MAIL__IMAP_HOST": "imap.example.org"},
            True,
            Parts(kafka=True, postgres=True, mail=False, sandbox=True),
            id="an own mailbox",
        ),
        pytest.param({}, False, Parts(kafka=True, postgres=True, mail=False, sandbox=False), id="no sandbox"),
        pytest.param(
            {"POSTA_KAFKA__BOOTSTRAP_SERVERS": ""},
            True,
            Parts(kafka=True, postgres=True, mail=True, sandbox=True),
            id="set but empty is not set",
        ),
    ],
)
def test_only_what_the_person_did_not_bring_is_started(
    given: dict[str, str], *, sandbox: bool, parts: Parts
) -> None:
    assert parts_to_start(given, sandbox=sandbox) == parts


def test_every_listener_of_a_run_has_a_variable_that_fixes_its_port() -> None:
    everything = Parts(kafka=True, postgres=True, mail=True, sandbox=True)
    assert set(plan.ports_needed(everything)) == set(VARIABLES)


def test_a_run_needs_no_port_for_a_part_it_does_not_start() -> None:
    bare = Parts(kafka=False, postgres=False, mail=False, sandbox=False)
    assert set(plan.ports_needed(bare)) == set(plan.SERVICE_NAMES)


def test_every_service_is_told_where_to_listen_and_where_kafka_and_the_database_are() -> None:
    surroundings = around()
    for process in plan.services(surroundings):
        assert process.env["POSTA_HTTP__HOST"] == "127.0.0.1"
        assert process.env["POSTA_HTTP__PORT"] == str(PORTS[process.name])
        assert process.env["POSTA_KAFKA__BOOTSTRAP_SERVERS"] == "127.0.0.1:9092"
        assert process.env["POSTA_DATABASE__URL"] == surroundings.database_url
        assert process.env["POSTA_STATE_DIR"] == "/home/posta/services"
        assert process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] == sandbox_url(surroundings)


@pytest.mark.parametrize(
    ("variable", "service"),
    [
        ("POSTA_KAFKA__BOOTSTRAP_SERVERS", "ingress"),
        ("POSTA_DATABASE__URL", "dlq-admin"),
        ("POSTA_CONFIG_DIR", "notifier"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "llm-worker"),
        ("POSTA_API_KEYS", "ingress"),
        ("POSTA_LLM__BASE_URL", "llm-worker"),
        ("POSTA_DISCORD__API_URL", "notifier"),
        ("POSTA_DISCORD__PUBLIC_KEYS", "ingress"),
        ("POSTA_WEBHOOK_OPS", "notifier"),
        ("POSTA_MAIL__IMAP_HOST", "email-poller"),
    ],
)
def test_a_variable_the_person_set_is_never_overwritten(variable: str, service: str) -> None:
    given = {variable: "http://the.persons.own"}
    assert variable not in env_of(service, replace(around(given), config_dir=Path("/rules")))


@pytest.mark.parametrize(
    ("given", "service", "prefix"),
    [
        ({"POSTA_LLM__BASE_URL": "https://llm.example"}, "llm-worker", "POSTA_LLM__"),
        ({"POSTA_MAIL__IMAP_HOST": "imap.example"}, "email-poller", "POSTA_MAIL__"),
        ({"POSTA_MAIL__SMTP_HOST": "smtp.example"}, "notifier", "POSTA_MAIL__"),
        ({"POSTA_DISCORD__PUBLIC_KEYS": "cd" * 32}, "ingress", "POSTA_DISCORD__"),
        ({"POSTA_DISCORD__PUBLIC_KEYS": "cd" * 32}, "notifier", "POSTA_DISCORD__"),
    ],
)
def test_a_real_provider_never_gets_the_sandboxs_secret(
    given: dict[str, str], service: str, prefix: str
) -> None:
    env = env_of(service, around(given))
    assert not [name for name in env if name.startswith(prefix)]


def test_tuning_a_provider_keeps_the_sandboxs_address() -> None:
    env = env_of("llm-worker", around({"POSTA_LLM__TIMEOUT_S": "5"}))
    assert env["POSTA_LLM__BASE_URL"].startswith("http://127.0.0.1:")


def test_without_a_sandbox_nothing_points_at_it() -> None:
    for process in plan.services(around(sandbox=False)):
        assert str(PORTS["sandbox"]) not in " ".join(process.env.values())
        assert process.needs <= {plan.TOPICS, plan.MIGRATIONS}


def test_only_the_services_that_check_api_keys_get_their_hashes_and_none_gets_a_key() -> None:
    surroundings = around()
    secret = surroundings.credentials
    for process in plan.services(surroundings):
        values = " ".join(process.env.values())
        assert ("POSTA_API_KEYS" in process.env) == (process.name != "email-poller")
        assert secret.scripts_key not in values
        assert secret.admin_key not in values


def test_the_seed_of_the_look_alike_stays_with_the_look_alike() -> None:
    surroundings = around()
    seed = surroundings.credentials.discord_seed
    assert env_of("sandbox", surroundings)["POSTA_SANDBOX__DISCORD_SEED"] == seed
    for process in plan.services(surroundings):
        assert seed not in process.env.values()


def test_the_sandbox_proxies_the_mail_server_that_the_services_never_talk_to() -> None:
    surroundings = around()
    box, poller = env_of("sandbox", surroundings), env_of("email-poller", surroundings)
    assert box["POSTA_SANDBOX__IMAP_UPSTREAM_PORT"] == str(PORTS["mail-imap"])
    assert poller["POSTA_MAIL__IMAP_PORT"] == box["POSTA_SANDBOX__IMAP_PORT"]
    assert poller["POSTA_MAIL__PASSWORD"] == box["POSTA_SANDBOX__MAIL_PASSWORD"]


@pytest.mark.parametrize(("given", "at_least_s"), [({}, 10), ({"POSTA_SHUTDOWN__GRACE_S": "42"}, 42)])
def test_a_service_is_killed_only_after_its_own_grace(given: dict[str, str], at_least_s: float) -> None:
    assert all(process.grace_s > at_least_s for process in plan.services(around(given)))


def test_without_any_mailbox_no_poller_is_started() -> None:
    assert "email-poller" not in {process.name for process in plan.services(around(sandbox=False))}
    own = around({"POSTA_MAIL__IMAP_HOST": "imap.example"}, sandbox=False)
    assert "email-poller" in {process.name for process in plan.services(own)}


def test_the_sandbox_alone_has_no_services() -> None:
    alone = Parts(kafka=False, postgres=False, mail=True, sandbox=True, services=False)
    surroundings = replace(around(), parts=alone)
    assert plan.services(surroundings) == ()
    assert "POSTA_SANDBOX__INGRESS_URL" not in env_of("sandbox", surroundings)

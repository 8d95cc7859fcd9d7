"""`docker-compose.yml` sets what the services read, and starts them as they expect."""

import re
import subprocess
import sys
import textwrap

import pytest
import support.compose_file as compose
from support.compose_file import PUBLIC_KEY

from ingress.receivers.rules import FILE_NAME as RECEIVERS
from ingress.receivers.rules import GitHub, load_receivers
from ingress.settings import Settings as IngressSettings
from posta.auth import ApiKeys
from posta.destinations import FILE_NAME, load_destinations
from posta.errors import ConfigurationError
from posta.settings import ServiceSettings, ShutdownSettings, load
from posta_cli.reference.services import all_services
from posta_cli.reference.variables import variables

pytestmark = pytest.mark.slow

ROOT = compose.ROOT
SERVICES = {service.name: service.settings for service in all_services()}
OWN = {**SERVICES, "setup": ServiceSettings}
OUR_CHOICE = {"POSTA_LLM__BASE_URL", "POSTA_LLM__MODEL"}
"""Where the file wants another default than the code, which asks the sandbox."""

GIVEN = {
    "POSTA_DISCORD__PUBLIC_KEYS": PUBLIC_KEY,
    "POSTA_LLM__API_KEY": "gsk_made_up",
    "POSTA_WEBHOOK_OPS": "https://discord.com/api/webhooks/1/made-up",
}
MAIL = {
    "POSTA_MAIL__ADDRESS": "posta@example.org",
    "POSTA_MAIL__USERNAME": "posta",
    "POSTA_MAIL__PASSWORD": "made up",
    "POSTA_MAIL__IMAP_HOST": "imap.example.org",
    "POSTA_MAIL__SMTP_HOST": "smtp.example.org",
}


def destinations():
    return load_destinations(ROOT / "deploy" / "config" / FILE_NAME)


def webhook_variables():
    return {one.webhook_url.env for one in destinations().destinations.values() if one.webhook_url}


def secret_variables():
    receivers = load_receivers(ROOT / "deploy" / "config" / RECEIVERS).receivers.values()
    return {one.secret.env for one in receivers if isinstance(one, GitHub)}


@pytest.fixture(scope="module")
def services():
    return compose.document()["services"]


def test_every_service_of_posta_is_in_the_file(services):
    built = {name for name, service in services.items() if "build" in service}
    assert built == set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_what_is_built_has_a_dockerfile(services, name):
    build = services[name]["build"]
    assert build["context"] == "."
    assert (ROOT / build["dockerfile"]).is_file()
    assert build["dockerfile"] == (
        "deploy/setup.Dockerfile" if name == "setup" else f"services/{name}/Dockerfile"
    )


def test_it_asks_for_exactly_what_the_tests_give():
    assert compose.asked_for() == set(GIVEN)


@pytest.mark.parametrize("missing", GIVEN)
def test_compose_refuses_to_start_without_what_has_no_sensible_default(missing):
    given = {name: value for name, value in GIVEN.items() if name != missing}
    with pytest.raises(compose.NotGiven, match=missing):
        for name in OWN:
            compose.environment(name, given)


@pytest.mark.parametrize("name", OWN)
def test_every_variable_of_posta_it_sets_is_one_the_service_reads(services, name):
    known = set(variables(OWN[name]))
    if name == "notifier":
        known |= webhook_variables()
    if name == "ingress":
        known |= secret_variables()
    foreign = {one for one in services[name]["environment"] if one.startswith("POSTA_")} - known
    assert not foreign


@pytest.mark.parametrize("name", OWN)
def test_every_variable_the_service_requires_is_set(services, name):
    required = {one.name for one in variables(OWN[name]).values() if one.is_required}
    assert required <= set(services[name]["environment"])


@pytest.mark.parametrize("name", [name for name in OWN if name != "email-poller"])
def test_each_service_accepts_its_environment_without_a_mailbox(name):
    settings = load(OWN[name], compose.environment(name, GIVEN))
    assert settings.kafka.bootstrap_servers == "kafka:9092"


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_accepts_its_environment_with_a_mailbox(name):
    settings = load(OWN[name], compose.environment(name, GIVEN | MAIL))
    assert settings.kafka.bootstrap_servers == "kafka:9092"


def test_without_a_mailbox_notifier_answers_no_mail_and_email_poller_says_what_is_missing():
    assert load(SERVICES["notifier"], compose.environment("notifier", GIVEN)).mail.smtp_host == ""
    with pytest.raises(ConfigurationError) as refused:
        load(SERVICES["email-poller"], compose.environment("email-poller", GIVEN))
    for variable in ("ADDRESS", "USERNAME", "IMAP_HOST"):
        assert f"POSTA_MAIL__{variable}" in str(refused.value)


def test_the_mailbox_is_an_extra(services):
    assert {name: service["profiles"] for name, service in services.items() if "profiles" in service} == {
        "email-poller": ["mail"]
    }


def test_notifier_is_given_the_webhook_of_every_destination():
    environment = compose.environment("notifier", GIVEN)
    known = destinations()
    assert set(known.resolve_webhooks(environment)) == set(known.destinations) - known.mailboxes


@pytest.mark.parametrize("name", OWN)
def test_a_default_in_the_file_is_the_code_s_own(services, name):
    known = variables(OWN[name])
    for variable, text in services[name]["environment"].items():
        default = compose.references(str(text)).get(variable)
        if default and variable in known and variable not in OUR_CHOICE:
            assert default == known[variable].default, variable


@pytest.mark.parametrize("name", OWN)
def test_no_secret_is_written_into_the_file(services, name):
    known = variables(OWN[name])
    secrets = {one.name for one in known.values() if one.is_secret} | webhook_variables()
    for variable, text in services[name]["environment"].items():
        if variable in secrets:
            assert compose.references(str(text)), variable


@pytest.mark.parametrize("name", SERVICES)
def test_docker_waits_longer_than_the_service_needs_to_drain(services, name):
    declared = services[name]["stop_grace_period"]
    grace_s = load(OWN[name], compose.environment(name, GIVEN | MAIL)).shutdown.grace_s
    assert re.fullmatch(r"\d+s", declared)
    assert int(declared[:-1]) > grace_s >= ShutdownSettings().grace_s


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_after_topics_and_tables_are_there_and_again_when_it_ends(services, name):
    assert services[name]["depends_on"]["setup"] == {"condition": "service_completed_successfully"}
    assert services[name]["restart"] == "unless-stopped"


def test_topics_and_tables_are_made_once_their_servers_answer(services):
    assert services["setup"]["depends_on"] == {
        "kafka": {"condition": "service_healthy"},
        "postgres": {"condition": "service_healthy"},
    }
    assert "restart" not in services["setup"]
    assert all("healthcheck" in services[name] for name in ("kafka", "postgres"))


@pytest.mark.parametrize("name", OWN)
def test_what_is_ours_runs_without_rights_it_does_not_need(services, name):
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["tmpfs"] == ["/tmp"]


@pytest.mark.parametrize("name", OWN)
def test_every_address_in_an_environment_is_a_service_of_the_file(services, name):
    environment = compose.environment(name, GIVEN)
    servers = environment["POSTA_KAFKA__BOOTSTRAP_SERVERS"]
    assert servers in services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    (host,) = re.findall(r"@(\w+):5432/", environment["POSTA_DATABASE__URL"])
    assert host in services
    (collector,) = re.findall(r"http://(\w+):4318$", environment["OTEL_EXPORTER_OTLP_ENDPOINT"])
    assert collector in services


def test_the_database_is_reached_with_the_account_that_is_made(services):
    made = {
        name: compose.interpolated(text, {"POSTGRES_PASSWORD": "pw"})
        for name, text in services["postgres"]["environment"].items()
    }
    url = compose.environment("setup", {"POSTGRES_PASSWORD": "pw"})["POSTA_DATABASE__URL"]
    user, password, name = made["POSTGRES_USER"], made["POSTGRES_PASSWORD"], made["POSTGRES_DB"]
    assert url == f"postgresql://{user}:{password}@postgres:5432/{name}"


def test_kafka_keeps_its_data_on_the_volume_and_makes_no_topic_by_itself(services):
    kafka = services["kafka"]
    assert f"kafka:{kafka['environment']['KAFKA_LOG_DIRS']}" in kafka["volumes"]
    assert kafka["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_kafka_is_the_version_that_is_tested_with(services):
    jars = (ROOT / "libs/sandbox/src/posta_sandbox/embedded/jars.sha256").read_text()
    (embedded,) = re.findall(r"org\.apache\.kafka:kafka-clients:(\S+)", jars)
    assert services["kafka"]["image"] == f"apache/kafka:{embedded}"


def test_ingress_keeps_its_spool_on_a_volume(services):
    (mount,) = services["ingress"]["volumes"]
    volume, _, folder = mount.partition(":")
    dockerfile = (ROOT / "services/ingress/Dockerfile").read_text()
    assert f"POSTA_STATE_DIR={folder}" in dockerfile
    environment = compose.environment("ingress", GIVEN) | {"POSTA_STATE_DIR": folder}
    assert load(IngressSettings, environment).spool_file.is_relative_to(folder)
    assert volume in compose.document()["volumes"]


def test_every_volume_that_is_used_is_declared_and_the_other_way_round(services):
    used = {mount.partition(":")[0] for service in services.values() for mount in service.get("volumes", ())}
    assert used == set(compose.document()["volumes"])


def test_only_what_discord_and_publishers_call_is_open_to_other_machines(services):
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert [name for name, published in ports.items() if not published[0].startswith("127.0.0.1:")] == [
        "ingress"
    ]


@pytest.mark.parametrize("name", ["ingress", "dlq-admin"])
def test_a_published_port_is_the_one_the_image_listens_on(services, name):
    (published,) = services[name]["ports"]
    dockerfile = (ROOT / f"services/{name}/Dockerfile").read_text()
    assert f"POSTA_HTTP__PORT={published.rpartition(':')[2]} " in dockerfile


def test_the_readme_tells_of_every_variable_a_person_can_give(services):
    readme = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(POST[A-Z_]+)`", readme))
    told |= {f"POSTA_MAIL{rest}" for rest in re.findall(r"`…(__[A-Z_]+)`", readme)}
    environments = [str(service.get("environment", "")) for service in services.values()]
    assert told >= compose.references(" ".join(environments)).keys()


def test_the_readme_s_recipe_for_an_api_key_makes_one_that_is_accepted():
    readme = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"python -c '\n(.+?)'\n", readme, re.DOTALL)
    made = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(recipe)], capture_output=True, text=True, check=True
    ).stdout
    key, entry = (line.split(":", 1)[1].strip() for line in made.splitlines())
    principal = ApiKeys.parse(entry).authenticate(key)
    assert principal is not None
    assert principal.scopes == {
        "dlq:read",
        "dlq:write",
        "engine:read",
        "engine:operate",
        "events:publish",
    }

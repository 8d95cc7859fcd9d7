"""Settings: read once, wrong ones named, secrets from files, values never quoted."""

import pytest

from posta.domain.flood import FloodPolicy
from posta.errors import ConfigurationError
from posta.settings import Group, ServiceSettings, load


def test_defaults_work_with_nothing_set():
    settings = load(ServiceSettings, {})
    assert settings.kafka.bootstrap_servers == "127.0.0.1:9092"
    assert settings.http.port == 8080


def test_groups_are_read_from_nested_names():
    settings = load(
        ServiceSettings, {"POSTA_KAFKA__BOOTSTRAP_SERVERS": "k:1", "POSTA_HTTP__PORT": "9", "OTHER": "x"}
    )
    assert (settings.kafka.bootstrap_servers, settings.http.port) == ("k:1", 9)


def test_every_wrong_variable_is_named_and_no_value_is_quoted():
    env = {
        "POSTA_HTTP__PORT": "seventy",
        "POSTA_KAFKA__PARTITIONS": "0",
        "POSTA_DATABASE__POOL_MAX": "s3cret",
    }
    with pytest.raises(ConfigurationError) as caught:
        load(ServiceSettings, env)
    message = str(caught.value)
    for name in env:
        assert name in message
    assert "seventy" not in message
    assert "s3cret" not in message


def test_an_unknown_name_in_a_group_is_a_mistake():
    with pytest.raises(ConfigurationError, match="POSTA_KAFKA__BOOTSTRAP_SERVER: Extra inputs"):
        load(ServiceSettings, {"POSTA_KAFKA__BOOTSTRAP_SERVER": "k:1"})


def test_a_secret_may_come_from_a_file(tmp_path):
    secret = tmp_path / "url"
    secret.write_text("postgresql://u:p@h/d\n")
    settings = load(ServiceSettings, {"POSTA_DATABASE__URL_FILE": str(secret)})
    assert settings.database.url.get_secret_value() == "postgresql://u:p@h/d"
    assert "u:p" not in repr(settings)


def test_a_missing_secret_file_is_named(tmp_path):
    with pytest.raises(
        ConfigurationError, match="POSTA_DATABASE__URL_FILE: cannot read .*nowhere: No such file"
    ):
        load(ServiceSettings, {"POSTA_DATABASE__URL_FILE": str(tmp_path / "nowhere")})


def test_the_real_environment_is_read_the_same_way(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTA_HTTP__PORT", "1234")
    assert load(ServiceSettings).http.port == 1234
    monkeypatch.setenv("POSTA_HTTP__PORT", "x")
    with pytest.raises(ConfigurationError, match="POSTA_HTTP__PORT"):
        load(ServiceSettings)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1/posta",
        "postgres://u@h",
        "postgresql://u:p%23%2F%40@db.example.org:5432/posta?sslmode=require&application_name=x",
        "postgresql://u:p@[::1]:5432/posta",
        "postgresql://u:p@one:5432,two:5433/posta",
        "postgresql://u:p@/posta?host=/var/run/postgresql",
    ],
)
def test_every_form_of_database_url_is_taken(url):
    assert load(ServiceSettings, {"POSTA_DATABASE__URL": url}).database.url.get_secret_value() == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://u:hunter2@h/d",
        "postgresql://u:hunter2#x@h:5432/d",
        "postgresql://u:hunter2/x@h:5432/d",
        "postgresql://u:hunter2?x@h:5432/d",
        "postgresql://u:hunter2@x@h:5432/d",
        "postgresql://u:[hunter2@x@h:5432/d",
        "postgresql://u:p@h:hunter2/d",
    ],
)
def test_a_wrong_database_url_is_refused_without_a_piece_of_it(url):
    with pytest.raises(ConfigurationError, match="POSTA_DATABASE__URL: .*percent-encode") as caught:
        load(ServiceSettings, {"POSTA_DATABASE__URL": url})
    assert "hunter2" not in str(caught.value)


class Account(Group):
    """A group that must be given."""

    name: str
    nickname: str = ""
    password: str


class WithAccount(ServiceSettings):
    """Settings with a required group."""

    account: Account


def test_of_a_missing_group_each_required_variable_is_named():
    with pytest.raises(ConfigurationError) as caught:
        load(WithAccount, {})
    assert str(caught.value) == (
        "environment: POSTA_ACCOUNT__NAME: Field required; POSTA_ACCOUNT__PASSWORD: Field required"
    )


def test_the_flood_breaker_is_tuned_by_the_environment():
    given = {"POSTA_ENGINE__FLOOD_IN_A_ROW": "7", "POSTA_ENGINE__FLOOD_SHARE": "0"}
    flood = load(ServiceSettings, given).engine.flood()
    assert (flood.in_a_row, flood.share) == (7, None)
    assert load(ServiceSettings, {}).engine.flood() == FloodPolicy(), "the same defaults"
    assert load(ServiceSettings, {"POSTA_ENGINE__FLOOD_BREAKER": "false"}).engine.flood() is None
    with pytest.raises(ConfigurationError, match="FLOOD_LONGEST_COOL_DOWN_S"):
        load(ServiceSettings, {"POSTA_ENGINE__FLOOD_COOL_DOWN_S": "900"})

"""Settings: read once, wrong ones named, secrets from files, values never quoted."""

import pytest

from posta.errors import ConfigurationError
from posta.settings import ServiceSettings, load


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

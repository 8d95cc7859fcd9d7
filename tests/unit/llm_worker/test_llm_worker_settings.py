import pytest

from llm_worker.settings import Settings
from posta.errors import ConfigurationError
from posta.settings import load


def test_everything_has_a_default_that_works_on_a_laptop():
    settings = load(Settings, {})
    assert settings.llm.base_url.startswith("http://127.0.0.1:")


def test_a_base_url_loses_its_last_slash():
    assert (
        load(Settings, {"POSTA_LLM__BASE_URL": "https://x.example/v1/"}).llm.base_url
        == "https://x.example/v1"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTA_LLM__BASE_URL", "llm.example"),
        ("POSTA_LLM__BASE_URL", "https://user:hush@llm.example/v1"),
        ("POSTA_LLM__BASE_URL", "https://llm.example/v1?key=hush"),
        ("POSTA_LLM__TIMEOUT_S", "0"),
        ("POSTA_LLM__MAX_TOKENS", "many"),
        ("POSTA_LLM__MODEL", ""),
        ("POSTA_RETRY__MAX_ATTEMPTS", "0"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(name, value):
    with pytest.raises(ConfigurationError, match=name) as caught:
        load(Settings, {name: value})
    assert "hush" not in str(caught.value)

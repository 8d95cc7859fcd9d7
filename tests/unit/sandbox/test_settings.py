import pytest
from pydantic import ValidationError

from posta_sandbox.settings import SandboxSettings


def test_a_host_that_others_can_reach_needs_a_second_word(monkeypatch):
    monkeypatch.setenv("POSTA_SANDBOX__HOST", "0.0.0.0")  # noqa: S104  # the refused value
    with pytest.raises(ValidationError, match="ALLOW_REMOTE"):
        SandboxSettings()
    monkeypatch.setenv("POSTA_SANDBOX__ALLOW_REMOTE", "1")
    assert SandboxSettings().host == "0.0.0.0"  # noqa: S104  # allowed now


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_loopback_is_fine(host):
    assert SandboxSettings(host=host).host == host


def test_a_bad_seed_is_refused_and_not_printed():
    with pytest.raises(ValidationError) as caught:
        SandboxSettings(discord_seed="deadbeef")
    assert "deadbeef" not in str(caught.value)

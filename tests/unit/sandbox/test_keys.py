import pytest
from nacl.signing import VerifyKey

from posta_sandbox import keys

SEED = "0f" * 32


def test_the_public_key_verifies_what_the_seed_signs():
    signed = keys.signing_key(SEED).sign(b"hello")
    VerifyKey(bytes.fromhex(keys.public_key_hex(SEED))).verify(signed)


def test_one_seed_always_makes_the_same_webhook_and_another_seed_another():
    url = keys.webhook_url("http://127.0.0.1:1/", SEED, "ops")
    assert url == keys.webhook_url("http://127.0.0.1:1", SEED, "ops")
    assert url != keys.webhook_url("http://127.0.0.1:1", "0e" * 32, "ops")
    assert url != keys.webhook_url("http://127.0.0.1:1", SEED, "other")
    assert url.startswith("http://127.0.0.1:1/api/v10/webhooks/")


def test_a_webhook_looks_like_discords():
    webhook = keys.webhook_credentials(SEED, "ops")
    assert webhook.id.isdecimal()
    assert 17 <= len(webhook.id) <= 20
    assert len(webhook.token) == 68


@pytest.mark.parametrize("seed", ["", "xy" * 32, "11" * 31, "11 " * 32])
def test_a_seed_of_another_form_is_refused_without_being_shown(seed):
    with pytest.raises(ValueError, match="64 hex characters") as caught:
        keys.signing_key(seed)
    assert not seed or seed not in str(caught.value)

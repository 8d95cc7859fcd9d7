import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlq_admin.masking import mask_all, mask_json, mask_secrets, names_a_secret

SECRET = "aW50ZXJhY3Rpb24-s3cret.value_1"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"token": "{SECRET}"}}',
        f'{{"token": "{SECRET}',
        f'{{"text": "hi", "Api-Key" : "{SECRET}", "n": ',
        f'{{"body": "{{\\"access_token\\": \\"{SECRET}\\"}}"}}',
        f'"{{\\\\\\"password\\\\\\":\\\\\\"{SECRET}\\\\\\"}}"',
        f"grant=x&client_secret={SECRET}&y=1",
        f"password: {SECRET}",
        f"https://discord.com/api/webhooks/123/{SECRET}",
        f"https:\\/\\/discord.com\\/api\\/webhooks\\/123\\/{SECRET}",
        f"PATCH /webhooks/77/{SECRET}/messages/@original",
        f"Authorization: Bearer {SECRET}",
        f"proxy-authorization=Token {SECRET}, more",
        f"postgresql://posta:{SECRET}@db/posta",
        f"posta_{'k' * 43} {SECRET[:0]}",
    ],
)
def test_a_credential_is_not_shown_wherever_it_stands(text):
    masked = mask_secrets(text)
    assert SECRET not in masked
    assert "k" * 20 not in masked
    assert "[redacted]" in masked


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("token", True),
        ("interactionToken", True),
        ("X-Api-Key", True),
        ("authorization", True),
        ("webhook_url", True),
        ("SMTP_PASSWORD", True),
        ("Set-Cookie", True),
        ("text", False),
        ("token_count", False),
        ("tokenizer", False),
        ("secretary", False),
        ("key", False),
        ("", False),
    ],
)
def test_which_names_are_secrets(name, secret):
    assert names_a_secret(name) is secret


def test_a_field_named_as_a_secret_is_masked_whatever_it_holds():
    value = {
        "token": {"a": SECRET},
        "password": 12345678,
        "tokens": [SECRET],
        "cookie": None,
        "max_tokens": 512,
    }
    assert mask_json(value, mask_secrets) == {
        "token": "[redacted]",
        "password": "[redacted]",
        "tokens": "[redacted]",
        "cookie": None,
        "max_tokens": 512,
    }


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to ada.lovelace+x@mail.example.org now", "write to a***@mail.example.org now"),
        ("<ada@example.org>,bob@example.org", "<a***@example.org>,b***@example.org"),
        ("root@localhost", "r***@localhost"),
        ("at 5 @ home", "at 5 @ home"),
    ],
)
def test_addresses_are_reduced(text, masked):
    assert mask_all(text) == masked
    assert mask_secrets(text) == text


@given(st.text())
def test_masking_takes_any_text_and_masks_what_is_masked_no_further(text):
    assert mask_all(mask_all(text)) == mask_all(text)


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["token", "password"]), inner)
    ),
    max_leaves=20,
)


@given(TREES, st.lists(st.sampled_from(["a", "b", "list"]), max_size=4))
def test_a_secret_is_masked_at_any_depth(tree, path):
    value = {"token": SECRET, "beside": tree}
    for step in path:
        value = [value, tree] if step == "list" else {step: value}
    masked = mask_json(value, mask_all)
    assert SECRET not in json.dumps(masked)
    assert json.loads(json.dumps(masked)) == masked


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        '"',
        '\\"',
        '"a":"',
        "a",
        "a.",
        "@",
        "a@",
        "a@b.",
        "x=",
        "-",
        "/webhooks/",
        "\\/webhooks\\/1",
        "posta_",
        "token:",
        " ",
        '"token":"\\',
    ],
)
def test_hostile_repetition_takes_linear_time(unit):
    text = unit * (256 * 1024 // len(unit))
    started = time.perf_counter()
    mask_all(text)
    assert time.perf_counter() - started < 2.5

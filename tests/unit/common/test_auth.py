"""API keys: only the hash is kept; a wrong entry is named."""

import pytest

from posta.auth import ApiKeys, Principal, describe_key, new_key
from posta.errors import ConfigurationError


def test_a_key_is_recognised_with_its_scopes_and_another_is_not():
    key = new_key()
    scopes = frozenset({"events:publish", "dlq:read"})
    keys = ApiKeys.parse(describe_key(key, name="scripts", scopes=scopes))
    assert keys.authenticate(key) == Principal(name="scripts", scopes=scopes)
    assert keys.authenticate(new_key()) is None


@pytest.mark.parametrize("entry", ["scripts", "a:b", "a:b:zz", "a:b:" + "0" * 63, ":b:" + "0" * 64])
def test_a_wrong_entry_is_named_by_its_number(entry):
    with pytest.raises(ConfigurationError, match="entry 2"):
        ApiKeys.parse("ok:x:" + "0" * 64 + "," + entry)

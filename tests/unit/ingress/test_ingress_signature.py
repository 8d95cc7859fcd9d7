"""Which requests count as Discord's."""

import pytest
from nacl.signing import SigningKey

from ingress.interactions.signature import Fault, PublicKey, parse_public_keys, signer_of

NOW = 1_800_000_000.0
TIMESTAMP = "1800000000"
BODY = b'{"type":1}'
KEY = SigningKey(b"\x01" * 32)
OTHER = SigningKey(b"\x02" * 32)
PUBLIC = parse_public_keys(KEY.verify_key.encode().hex())


def signature_fault(keys, **request):
    found = signer_of(keys, **request)
    return None if isinstance(found, PublicKey) else found


def signed(key=KEY, timestamp=TIMESTAMP, body=BODY):
    return key.sign(timestamp.encode() + body).signature.hex()


GOOD = signed()


def flipped(digit):
    return "0" if digit != "0" else "1"


@pytest.mark.parametrize(
    ("signature", "timestamp", "body", "fault"),
    [
        pytest.param(GOOD, TIMESTAMP, BODY, None, id="a genuine request passes"),
        pytest.param(None, TIMESTAMP, BODY, Fault.MISSING, id="no signature"),
        pytest.param("", TIMESTAMP, BODY, Fault.MISSING, id="an empty signature"),
        pytest.param(GOOD, None, BODY, Fault.MISSING, id="no timestamp"),
        pytest.param(GOOD, "", BODY, Fault.MISSING, id="an empty timestamp"),
        pytest.param(GOOD[:-2], TIMESTAMP, BODY, Fault.MALFORMED, id="too short"),
        pytest.param(GOOD + "00", TIMESTAMP, BODY, Fault.MALFORMED, id="too long"),
        pytest.param(GOOD + "\n", TIMESTAMP, BODY, Fault.MALFORMED, id="a newline behind it"),
        pytest.param("A" * 128, TIMESTAMP, BODY, Fault.MALFORMED, id="upper case"),
        pytest.param("zz" * 64, TIMESTAMP, BODY, Fault.MALFORMED, id="no hex"),
        pytest.param("é" * 128, TIMESTAMP, BODY, Fault.MALFORMED, id="no ASCII"),
        pytest.param("٣" * 128, TIMESTAMP, BODY, Fault.MALFORMED, id="digits of another script"),
        pytest.param(" ".join(GOOD[i : i + 2] for i in range(0, 128, 2)), TIMESTAMP, BODY, Fault.MALFORMED,
                     id="spaces that bytes.fromhex would skip"),
        pytest.param(GOOD, "soon", BODY, Fault.MALFORMED, id="a timestamp that is no number"),
        pytest.param(GOOD, "-1800000000", BODY, Fault.MALFORMED, id="a negative timestamp"),
        pytest.param(GOOD, "1" * 5000, BODY, Fault.MALFORMED, id="a timestamp Python would not even parse"),
        pytest.param(GOOD, "1800000001", BODY, Fault.WRONG, id="another timestamp"),
        pytest.param(GOOD, TIMESTAMP, b'{"type": 1}', Fault.WRONG, id="the same JSON written otherwise"),
        pytest.param(GOOD, TIMESTAMP, b"", Fault.WRONG, id="no body"),
        pytest.param(flipped(GOOD[0]) + GOOD[1:], TIMESTAMP, BODY, Fault.WRONG, id="one digit off"),
        pytest.param(signed(OTHER), TIMESTAMP, BODY, Fault.WRONG, id="another key"),
        pytest.param("0" * 128, TIMESTAMP, BODY, Fault.WRONG, id="all zero"),
    ],
)  # fmt: skip
def test_only_a_genuine_signature_passes(signature, timestamp, body, fault):
    assert signature_fault(PUBLIC, signature=signature, timestamp=timestamp, body=body, now=NOW) is fault


@pytest.mark.parametrize(
    ("age_s", "fault"),
    [(300, None), (301, Fault.STALE), (-300, None), (-301, Fault.STALE), (86400, Fault.STALE)],
)
def test_a_genuine_request_is_refused_five_minutes_off(age_s, fault):
    found = signature_fault(PUBLIC, signature=GOOD, timestamp=TIMESTAMP, body=BODY, now=NOW + age_s)
    assert found is fault


def test_any_of_several_keys_is_enough():
    hexes = [key.verify_key.encode().hex() for key in (OTHER, KEY)]
    keys = parse_public_keys(f" {hexes[0]}, {hexes[1].upper()} ,")
    assert len(keys) == 2
    assert signature_fault(keys, signature=GOOD, timestamp=TIMESTAMP, body=BODY, now=NOW) is None


def test_a_key_of_one_application_says_whose_it_is():
    hexes = [key.verify_key.encode().hex() for key in (OTHER, KEY)]
    keys = parse_public_keys(f"111111:{hexes[0]},222222:{hexes[1]}")
    signer = signer_of(keys, signature=GOOD, timestamp=TIMESTAMP, body=BODY, now=NOW)
    assert isinstance(signer, PublicKey)
    assert signer.application_id == "222222"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("app:" + "ab" * 32, "entry 1 begins with no application id"),
        ("", "at least one"),
        (" , ,", "at least one"),
        ("abcd", "entry 1 is not"),
        ("g" * 64, "entry 1 is not"),
        ("00" * 33, "entry 1 is not"),
        (KEY.verify_key.encode().hex() + "," + "00" * 32, "entry 2 is not"),
        ("ff" * 32, "no point of the curve"),
    ],
)
def test_a_wrong_public_key_is_found_at_start(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_public_keys(text)

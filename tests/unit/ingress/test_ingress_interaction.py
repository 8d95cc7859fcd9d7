"""Any signed body gets a deliberate answer, never a crash."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.discord_caller import ask
from support.ingress_rig import CONFIG, FIXTURES

from ingress.commands.rules import load_commands
from ingress.interactions.decision import AnswerNow, KeepThenAnswer, Rulebook, decide
from ingress.interactions.interaction import (
    Kind,
    Misshapen,
    NoKind,
    Unreadable,
    kind_of,
    parse_body,
    parse_interaction,
)
from posta.domain.envelope import decode, encode

RULES = Rulebook(commands=load_commands(CONFIG / "commands.yaml"), default_destination="ops")

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
members = st.sampled_from([*sorted(ask()), "user", "channel", "message"])


def whole_way(raw):
    """Everything between the signature and the acceptor; what it may raise is what the route answers 400."""
    try:
        body = parse_body(raw)
        kind_of(body)
        decision = decide(parse_interaction(body), RULES)
    except (Unreadable, NoKind, Misshapen):
        return None
    if isinstance(decision, KeepThenAnswer):
        wire = encode(decision.event)
        assert b"\x00" not in (wire.key or b"")
        assert decode(key=wire.key, value=wire.value, headers=wire.headers).id == decision.event.id
    return decision


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_parser(raw):
    whole_way(raw)


@given(anything)
def test_no_json_crashes_the_parser(value):
    whole_way(json.dumps(value).encode())


@given(st.dictionaries(members, anything, max_size=4))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_no_nearly_right_interaction_crashes_the_parser(spoilt):
    whole_way(json.dumps(ask() | spoilt).encode())


@given(st.lists(st.fixed_dictionaries({"name": st.sampled_from(["question", "private", "x"]),
                                        "value": anything}), max_size=5))  # fmt: skip
def test_no_option_crashes_the_parser(options):
    body = ask()
    body["data"]["options"] = options
    whole_way(json.dumps(body).encode())


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[1]", b'"x"', b"null", b"[" * 100_000, b'{"a":' * 50_000, b"\xff", b'{"a":"\\ud800"}',
     b'{"type":2}{"type":2}'],
    ids=["empty", "cut", "list", "text", "null", "deep list", "deep object", "no UTF-8", "surrogate", "two"],
)  # fmt: skip
def test_what_is_no_json_object_is_unreadable(raw):
    with pytest.raises(Unreadable):
        parse_body(raw)


@pytest.mark.parametrize("kind", [1.0, True, "1", None, []])
def test_a_type_that_is_no_number_is_named_as_such(kind):
    with pytest.raises(NoKind):
        kind_of({"type": kind})


@pytest.mark.parametrize("kind", [0, 6, -1, 99])
def test_a_type_that_is_new_is_answered_politely(kind):
    decision = decide(parse_interaction(ask(type=kind)), RULES)
    assert isinstance(decision, AnswerNow)
    assert decision.reason == "unknown_type"


def test_a_fault_names_the_field_and_not_its_value():
    with pytest.raises(Misshapen, match=r"member\.user\.id: string_pattern_mismatch") as caught:
        parse_interaction(ask(person="secret person"))
    assert "secret" not in str(caught.value)


def test_nul_characters_are_dropped_because_postgresql_cannot_store_them():
    decision = decide(parse_interaction(ask("why\x00 so?")), RULES)
    assert isinstance(decision, KeepThenAnswer)
    assert decision.event.data.text == "why so?"
    assert "\x00" not in decision.event.data.options["question"]


def recorded():
    if not FIXTURES.is_dir():
        return [pytest.param(None, None, marks=pytest.mark.skip("no fixtures beside this repository"))]
    requests = json.loads((FIXTURES / "requests.json").read_text())
    return [pytest.param(name, body, id=name) for name, body in requests.items()]


@pytest.mark.parametrize(("name", "body"), recorded())
def test_every_recorded_request_is_understood(name, body):
    kind = kind_of(body)
    decision = decide(parse_interaction(body), RULES)
    if body.get("data", {}).get("name") == "ask" and kind == Kind.COMMAND:
        assert isinstance(decision, KeepThenAnswer)
        assert decision.event.data.text == body["data"]["options"][0]["value"]
        assert decision.event.data.person.name == "Alex"
        assert decision.event.data.data == body["data"]
    else:
        assert isinstance(decision, AnswerNow)

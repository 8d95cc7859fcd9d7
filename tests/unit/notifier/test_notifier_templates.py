from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.deliveries import published

from notifier.rendering.drawing import Drawing
from notifier.rendering.fit import fit, size_of
from notifier.rendering.neutral import disarmed, readable
from notifier.rendering.templates import TemplateFile, Templates, load_templates
from posta.errors import ConfigurationError

CONFIG = Path(__file__).resolve().parents[3] / "deploy" / "config"


def drawn(message, event=None, **more):
    file = TemplateFile.model_validate({"types": ["backup.*"], "message": message})
    return Drawing(Templates({"backup": file})).message(
        (event or published()).data, event_id="event:1", **more
    )


def test_a_template_draws_an_event_in_the_language_of_its_destination():
    message = {
        "embeds": [{"title": {"en": "Backup {{ data.n }} failed", "es": "La copia {{ data.n }} falló"}}]
    }
    assert drawn(message)["embeds"][0]["title"] == "Backup 1 failed"
    assert drawn(message, language="es")["embeds"][0]["title"] == "La copia 1 falló"


def test_nobody_is_mentioned_unless_the_template_says_so():
    assert drawn({"content": "<@1> @everyone"})["allowed_mentions"] == {"parse": []}
    named = drawn({"content": "x", "mentions": {"users": ["1"], "roles": ["2"]}})
    assert named["allowed_mentions"] == {"parse": [], "users": ["1"], "roles": ["2"]}


HOSTILE = published(
    data={
        "message": "<@1> @everyone <#2> [bank](https://evil.test) discord.gg/x \u202egnp.exe\u200b z"
        + "\u0301" * 50
    }
)


def test_hostile_text_is_shown_as_text_by_templates_and_without_them():
    for message in ({"content": "{{ data.message }}"}, {"embeds": [{"description": "{{ data.message }}"}]}):
        shown = str(drawn(message, HOSTILE))
        for wrong in (
            "<@1>",
            "@everyone",
            "<#2>",
            "](https",
            "discord.gg/x",
            "\u202e",
            "\u200b",
            "\u0301" * 5,
        ):
            assert wrong not in shown
    plain = str(Drawing(Templates({})).message(HOSTILE.data, event_id="e"))
    assert "<@1>" not in plain
    assert "discord.gg/x" not in plain


def test_a_filter_may_make_what_an_event_may_not_say():
    shown = drawn({"content": "{{ occurred_at | moment('R') }} {{ data.message | code }}"})["content"]
    assert shown == "<t:1767323045:R> ```\nBackup 1 failed.\n```"
    fence = published(data={"message": "``` @everyone"})
    assert drawn({"content": "{{ data.message | code }}"}, fence)["content"].count("```") == 2


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ data.__class__ }}",
        "{{ 1 / 0 }}",
        "{{ data.n + 'x' }}",
    ],
)
def test_a_template_that_fails_or_reaches_for_the_machine_leaves_the_plain_embed(text):
    assert drawn({"content": text})["embeds"][0]["description"] == "Backup 1 failed."


def test_a_template_may_not_print_what_is_not_there_and_blank_fields_are_left_out():
    fields = [{"name": "a", "value": "{{ data.nothing.at.all }}"}, {"name": "n", "value": "{{ data.n }}"}]
    shown = drawn({"embeds": [{"title": "t", "fields": fields}]})["embeds"][0]
    assert [field["name"] for field in shown["fields"]] == ["n"]


def test_buttons_open_addresses_and_only_good_ones():
    buttons = [{"label": "Log", "url": "{{ data.url }}"}, {"label": "No", "url": "javascript:alert(1)"}]
    event = published(data={"url": "https://example.org/log"})
    (row,) = drawn({"content": "x", "buttons": buttons}, event)["components"]
    assert [(one["label"], one["style"]) for one in row["components"]] == [("Log", 5)]


def test_a_name_that_discord_refuses_gives_way_to_the_webhooks_own():
    assert "username" not in drawn({"content": "x", "username": "Discord Support"})
    assert drawn({"content": "x", "username": "Backups"})["username"] == "Backups"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("types: [a]\nmessage: {content: '{{ x'}", "Jinja2"),
        ("types: []\nmessage: {content: x}", "types"),
        ("types: [a]\nmessage: {content: {fr: x}}", "en and es"),
        ("types: [a]\nmessage: {contents: x}", "contents"),
    ],
)
def test_a_wrong_template_stops_the_start_and_says_where(tmp_path, text, reason):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "one.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=reason) as caught:
        load_templates(tmp_path)
    assert "one.yaml" in str(caught.value)


def test_two_files_may_not_draw_one_type(tmp_path):
    (tmp_path / "templates").mkdir()
    for name in ("one", "two"):
        (tmp_path / "templates" / f"{name}.yaml").write_text("types: [a]\nmessage: {content: x}")
    with pytest.raises(ConfigurationError, match=r"one\.yaml and two\.yaml"):
        load_templates(tmp_path)


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize(
    "event_type", ["backup.failed", "posta.digest", "posta.destination.disabled", "posta.handover"]
)
def test_the_templates_that_come_with_posta_draw_something(event_type, language):
    entries = [{"title": "t", "source": "s"}]
    data = {
        "job": "db1",
        "error": "no space",
        "entries": entries,
        "count": 1,
        "why": "10015",
        "destination": "ops",
        "name": "Ana",
        "question": "May I?",
    }
    templates = load_templates(CONFIG)
    assert templates.find(event_type) is not None
    event = published(client_type=event_type, data=data).data
    embed = Drawing(templates).message(event, event_id="e", language=language)["embeds"][0]
    assert embed["title"]
    assert embed["description"]


TEXT = st.text(max_size=300) | st.integers(0, 8000).map(lambda n: "x" * n)
EMBED = st.fixed_dictionaries(
    {"title": TEXT, "description": TEXT, "footer": st.fixed_dictionaries({"text": TEXT})},
    optional={"fields": st.lists(st.fixed_dictionaries({"name": TEXT, "value": TEXT}), max_size=30)},
)


@pytest.mark.slow
@given(st.lists(EMBED, max_size=12), TEXT)
def test_whatever_is_drawn_fits_into_all_of_discords_limits(embeds, content):
    shown = fit({"content": content, "embeds": embeds})
    assert len(shown["content"]) <= 2000
    assert len(shown["embeds"]) <= 10
    assert sum(map(size_of, shown["embeds"])) <= 6000
    for embed in shown["embeds"]:
        assert size_of(embed) > 0
        assert len(embed.get("title", "")) <= 256
        assert len(embed.get("description", "")) <= 4096
        assert len(embed["fields"]) <= 25
        assert all(0 < len(f["name"]) <= 256 and 0 < len(f["value"]) <= 1024 for f in embed["fields"])


def test_what_was_cut_can_be_seen_to_be_cut():
    shown = fit(
        {"embeds": [{"title": "t" * 300, "fields": [{"name": str(n), "value": "v"} for n in range(30)]}]}
    )
    (embed,) = shown["embeds"]
    assert embed["title"].endswith("…")
    assert embed["fields"][-1] == {"name": "…", "value": "+6", "inline": False}


@given(st.text(max_size=200))
def test_nothing_invisible_is_left_of_any_text(text):
    shown = disarmed(text)
    assert disarmed(shown) == shown or "< " in shown or "@ " in shown
    assert not any("\u202a" <= c <= "\u202e" or c in "\u200b\u2060\ufeff\x00" for c in shown)
    assert not any("\u202a" <= c <= "\u202e" for c in readable(text))

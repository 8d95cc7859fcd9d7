import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.deliveries import published

from notifier.rendering.embed import AMBER, BLUE, GREEN, GREY, RED, colour, embed, humanised, webhook_body
from posta_sandbox.discord.limits import message_problems

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=1500),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.text(max_size=300) | st.sampled_from(["title", "message", "text", "severity", "description"])


def size(drawn):
    fields = sum(len(f["name"]) + len(f["value"]) for f in drawn["fields"])
    return len(drawn["title"]) + len(drawn.get("description", "")) + len(drawn["footer"]["text"]) + fields


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    data=st.dictionaries(NAMES, JSON, max_size=40),
    client_type=st.text(max_size=400),
    client_source=st.text(max_size=400),
    subject=st.none() | st.text(max_size=400),
    occurred_at=st.text(max_size=40) | st.datetimes().map(lambda d: d.isoformat()),
)
def test_whatever_a_script_sends_discord_takes_it(**fields):
    body = webhook_body(published(**fields).data)
    assert message_problems(body) == {}
    assert size(body["embeds"][0]) <= 6000
    assert body["allowed_mentions"] == {"parse": []}
    for field in body["embeds"][0]["fields"]:
        assert field["name"].strip()
        assert field["value"].strip()


def test_an_event_becomes_an_embed():
    event = published(
        client_type="backup.job_failed",
        subject="db1",
        data={"message": "Disk **full**.", "host": "db1", "minutes": 12, "ok": False, "paths": ["/a", "/b"]},
    )
    assert embed(event.data) == {
        "title": "Backup job failed",
        "description": "Disk **full**.",
        "color": RED,
        "fields": [
            {"name": "subject", "value": "db1", "inline": True},
            {"name": "host", "value": "db1", "inline": True},
            {"name": "minutes", "value": "12", "inline": True},
            {"name": "ok", "value": "no", "inline": True},
            {"name": "paths", "value": "/a, /b", "inline": True},
        ],
        "footer": {"text": "/backup/db1 · backups"},
        "timestamp": "2026-01-02T03:04:05+00:00",
    }


def test_too_many_fields_say_how_many_are_missing():
    fields = embed(published(data={f"f{n}": n for n in range(40)}).data)["fields"]
    assert len(fields) == 25
    assert fields[-1]["value"] == "16 more not shown"


def test_what_is_no_scalar_is_counted_as_not_shown():
    fields = embed(published(data={"a": 1, "deep": {"b": 2}}).data)["fields"]
    assert [f["value"] for f in fields] == ["1", "1 more not shown"]


def test_long_text_is_cut_visibly_within_the_total():
    drawn = embed(published(data={"message": "word " * 3000, **{f"f{n}": "x" * 1000 for n in range(9)}}).data)
    assert drawn["description"].endswith("…")
    assert size(drawn) <= 6000
    assert "more not shown" in drawn["fields"][-1]["value"]


def test_hostile_text_is_shown_for_what_it_is():
    drawn = embed(
        published(
            data={
                "title": "[Click](https://evil.test)\u202e",
                "message": "@everyone [bank](https://evil.test)\u200b",
                "bad": "\x00",
            }
        ).data
    )
    assert drawn["title"] == "[Click] (https://evil.test)"
    assert drawn["description"] == "@ everyone [bank] (https://evil.test)"
    assert drawn["fields"][0]["value"] == "—"


@pytest.mark.parametrize(
    ("client_type", "data", "expected"),
    [
        ("x", {"severity": "Critical"}, RED),
        ("x.failed", {"severity": "warning"}, AMBER),
        ("backup.completed", {}, GREEN),
        ("deploy.started", {"status": 3}, BLUE),
        ("something", {"severity": ["critical"]}, GREY),
    ],
)
def test_the_colour_follows_the_severity(client_type, data, expected):
    assert colour(published(client_type=client_type, data=data).data) == expected


def test_a_type_reads_as_words():
    assert humanised("com.example/backup-failed") == "Com example backup failed"
    assert humanised("\x00") == "Event"


def test_a_time_that_is_none_is_left_out():
    assert "timestamp" not in embed(published(occurred_at="yesterday").data)

"""How the shipped templates show what receivers and the publisher SDK make."""

import json
from pathlib import Path

import pytest
from support.deliveries import published

from ingress.receivers.alerts import alert_events
from notifier.rendering.drawing import Drawing
from notifier.rendering.templates import load_templates
from posta_client.ready_made import ReadyMade

CONFIG = Path(__file__).resolve().parents[4] / "deploy" / "config"
ALERT = {
    "labels": {"alertname": "DiskFull", "instance": "db1", "severity": "warning"},
    "annotations": {
        "summary": "Disk almost full",
        "description": "3 % left",
        "runbook_url": "https://run.test",
    },
    "startsAt": "2026-01-02T03:04:05Z",
    "endsAt": "2026-01-02T04:00:00Z",
}
AMBER, GREEN, RED = 0xE0A100, 0x2D9D5B, 0xD83C3E


@pytest.fixture(scope="module")
def drawing():
    return Drawing(load_templates(CONFIG))


class Said(ReadyMade):
    """The type and data of the ready-made events."""

    def publish(self, type_, data=None, options=None, **_named):
        return type_, data


def shown(drawing, type_, data, language="en"):
    event = published(client_type=type_, data=data)
    (embed,) = drawing.message(event.data, event_id="event:1", language=language)["embeds"]
    return embed


@pytest.mark.parametrize(
    ("status", "colour", "names"),
    [
        ("firing", AMBER, ["Desde", "Gravedad", "Etiquetas"]),
        ("resolved", GREEN, ["Desde", "Hasta", "Etiquetas"]),
    ],
)
def test_an_alert_shows_its_labels_and_since_when(drawing, status, colour, names):
    (event,) = alert_events({"alerts": [ALERT | {"status": status}]}, system="alertmanager", destination=None)
    embed = shown(drawing, event.type, event.data, language="es")
    assert (embed["title"], embed["description"]) == (f"[{status.upper()}] Disk almost full", "3 % left")
    assert embed["color"] == colour
    assert [field["name"] for field in embed["fields"]] == names
    assert "instance=db1" in json.dumps(embed["fields"])
    assert "<t:1767323045:f>" in json.dumps(embed["fields"])


@pytest.mark.parametrize(
    ("said", "title", "colour"),
    [
        (Said().publish_backup_error("db1", "disk full"), "Backup failed: db1", RED),
        (Said().publish_backup_success("db1"), "Backup done: db1", GREEN),
        (Said().publish_minecraft_status("s1", online=True, players=3), "Minecraft server s1 is up", GREEN),
        (Said().publish_minecraft_status("s1", online=False), "Minecraft server s1 is down", RED),
        (Said().publish_error(42, "no answer"), "Error reported", RED),
    ],
)
def test_the_ready_made_events_have_a_title_and_a_colour(drawing, said, title, colour):
    embed = shown(drawing, *said)
    assert (embed["title"], embed["color"]) == (title, colour)

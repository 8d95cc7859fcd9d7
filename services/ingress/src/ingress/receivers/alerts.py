"""Alertmanager's and Grafana's webhooks: one event for each alert, edited when it is resolved.

Pure. Alertmanager webhook payload version 4; Grafana alerting sends the same with members of its own. An
alert's id comes from its fingerprint, its start and its status, so that a repetition of the same news is
the same event; its thread key leaves the status out, so that *resolved* edits the message of *firing*.
"""

from typing import Any

from ingress.events.cloudevent import Published
from ingress.receivers.arrival import NotUnderstood, bounded, event, object_of, text_of

_SUMMARIES = ("summary", "message", "title")
_DETAILS = ("description", "runbook_url", "__values__")
_LINKS = (
    ("generatorURL", "source"),
    ("silenceURL", "silence"),
    ("dashboardURL", "dashboard"),
    ("panelURL", "panel"),
)
_SHOWN_APART = frozenset({"alertname", "severity"})


def alert_events(body: dict[str, Any], *, system: str, destination: str | None) -> tuple[Published, ...]:
    """The events of one notification; ``system`` is ``alertmanager`` or ``grafana``.

    Raises ``NotUnderstood`` or ``WrongFields``.
    """
    alerts = body.get("alerts")
    if not isinstance(alerts, list) or not all(isinstance(alert, dict) for alert in alerts):
        raise NotUnderstood("Send a notification with a list of alerts.")
    return bounded(_event(alert, body, system, destination) for alert in alerts)


def _event(alert: dict[str, Any], body: dict[str, Any], system: str, destination: str | None) -> Published:
    labels = object_of(body, "commonLabels") | object_of(alert, "labels")
    status = "resolved" if text_of(alert, "status") == "resolved" else "firing"
    name = text_of(labels, "alertname") or "alert"
    started = text_of(alert, "startsAt")
    identity = f"{text_of(alert, 'fingerprint') or _labels(labels)}/{started}"
    return event(
        type_=f"alert.{status}",
        data=_data(alert, body, labels, status=status, name=name),
        source=text_of(body, "externalURL") or f"/{system}",
        subject=name,
        id=f"{system}/{identity}/{status}",
        time=_time(text_of(alert, "endsAt" if status == "resolved" else "startsAt")),
        thread_key=f"alert/{identity}",
        destination=destination,
    )


def _data(
    alert: dict[str, Any], body: dict[str, Any], labels: dict[str, Any], *, status: str, name: str
) -> dict[str, Any]:
    notes = object_of(body, "commonAnnotations") | object_of(alert, "annotations")
    summary = next((text for key in _SUMMARIES if (text := text_of(notes, key))), "")
    data: dict[str, Any] = {
        "title": f"[{status.upper()}] {summary or name}",
        "message": text_of(notes, "description"),
        "severity": "resolved" if status == "resolved" else text_of(labels, "severity") or "warning",
        "labels": {key: text for key, text in labels.items() if key not in _SHOWN_APART},
        "starts_at": text_of(alert, "startsAt"),
        "values": text_of(alert, "valueString"),
        "receiver": text_of(body, "receiver"),
    }
    if status == "resolved":
        data["ends_at"] = text_of(alert, "endsAt")
    data |= {shown: text_of(alert, key) for key, shown in _LINKS}
    data |= {key: text_of(notes, key) for key in notes if key not in (*_SUMMARIES, *_DETAILS)}
    data["runbook"] = text_of(notes, "runbook_url")
    return {key: value for key, value in data.items() if value}


def _labels(labels: dict[str, Any]) -> str:
    """What tells alerts apart where there is no fingerprint."""
    return ",".join(f"{name}={labels[name]}" for name in sorted(labels))


def _time(text: str) -> str | None:
    """The time, unless it is Go's zero one, which stands for "not yet"."""
    return None if not text or text.startswith("0001-") else text

"""destinations.yaml: what publishers may name, and where notifier finds the URLs."""

from pathlib import Path

import pytest
import yaml

from posta.destinations import load_destinations
from posta.errors import ConfigurationError

SHIPPED = Path(__file__).resolve().parents[3] / "deploy" / "config" / "destinations.yaml"
URL = "https://discord.com/api/webhooks/123/abc-DEF_9"


def written(tmp_path, rules):
    file = tmp_path / "destinations.yaml"
    file.write_text(yaml.safe_dump(rules))
    return file


def destination(**fields):
    return {"description": "d", "webhook_url": {"env": "POSTA_WEBHOOK_OPS"}} | fields


def test_the_shipped_file_declares_ops_and_makes_it_the_default():
    destinations = load_destinations(SHIPPED)
    assert destinations.default == "ops"
    assert destinations.get("ops") is not None
    assert destinations.get("nope") is None


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:9/api/v10/webhooks/1/t", f" {URL}\n"])
def test_webhooks_come_from_the_environment_and_do_not_show(url):
    found = load_destinations(SHIPPED).resolve_webhooks({"POSTA_WEBHOOK_OPS": url})
    assert found["ops"].get_secret_value() == url.strip()
    assert "webhooks" not in repr(found)


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, "is not set"),
        ({"POSTA_WEBHOOK_OPS": " "}, "is not set"),
        ({"POSTA_WEBHOOK_OPS": "hunter2"}, "no webhook URL"),
        ({"POSTA_WEBHOOK_OPS": "ftp://x/api/webhooks/1/hunter2"}, "no webhook URL"),
        ({"POSTA_WEBHOOK_OPS": "https://x/channels/1/hunter2"}, "no webhook URL"),
        ({"POSTA_WEBHOOK_OPS": "https://[hunter2"}, "no URL"),
    ],
)
def test_a_wrong_url_is_named_by_its_variable_and_never_quoted(environ, reason):
    with pytest.raises(ConfigurationError) as caught:
        load_destinations(SHIPPED).resolve_webhooks(environ)
    assert "destinations/ops/webhook_url: POSTA_WEBHOOK_OPS" in str(caught.value)
    assert reason in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ({}, "destinations: "),
        ({"destinations": {}}, "destinations: "),
        ({"destinations": {"Über": destination()}}, "destinations/Über"),
        ({"destinations": {"a": destination(description="")}}, "destinations/a/description"),
        ({"destinations": {"a": destination(webhook_url=URL)}}, "destinations/a/webhook_url"),
        ({"destinations": {"a": destination(webhook_url={"env": URL})}}, "destinations/a/webhook_url/env"),
        ({"destinations": {"a": destination(colour=1)}}, "destinations/a/colour"),
        ({"default": "b", "destinations": {"a": destination()}}, "(top): Value error, default 'b'"),
    ],
)
def test_a_mistake_is_named_with_its_path_and_a_pasted_url_is_not_quoted(tmp_path, rules, path):
    with pytest.raises(ConfigurationError) as caught:
        load_destinations(written(tmp_path, rules))
    assert path in str(caught.value)
    assert "abc-DEF_9" not in str(caught.value)

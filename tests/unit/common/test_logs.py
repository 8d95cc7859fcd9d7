"""Logs: one JSON object a line, no secrets, no flood."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import logging
from posta.telemetry.logs import get_logger, setup_logging
from posta.telemetry.tracing import setup_tracing, span
setup_logging(service="ingress", version="1.2", level="info")
setup_tracing(service="ingress", version="1.2")
log = get_logger("t")
log.debug("hidden")
with span("work"):
    log.info("done", url="https://discord.com/api/webhooks/123/secret-token", count=2)
logging.getLogger("other").warning("GET %s", "https://discord.com/api/v10/webhooks/9/secret-token/messages")
try:
    raise RuntimeError("Bearer secret-token-value")
except RuntimeError:
    log.exception("failed")
logging.getLogger("httpx").info("HTTP Request: POST https://discord.com/api/webhooks/1/secret-token")
for _ in range(50):
    logging.getLogger("aiokafka.conn").error("Unable connect to node 1")
    logging.getLogger("aiokafka.client").error("no metadata")
"""


def lines():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_line_is_an_event_with_its_service_and_trace_and_without_secrets():
    found = lines()
    first = found[0]
    assert (first["event"], first["count"], first["service"], first["version"]) == (
        "done",
        2,
        "ingress",
        "1.2",
    )
    assert first["level"] == "info"
    assert len(first["trace_id"]) == 32
    assert len(first["span_id"]) == 16
    assert first["url"] == "https://discord.com/api/webhooks/123/[redacted]"
    assert "secret-token" not in json.dumps(found)
    assert not [line for line in found if line["event"] == "hidden" or "HTTP Request" in line["event"]]
    failed = next(line for line in found if line["event"] == "failed")
    assert "RuntimeError" in failed["exception"]


def test_aiokafka_says_the_same_thing_once_in_ten_seconds():
    flood = [line["event"] for line in lines() if line.get("logger", "").startswith("aiokafka")]
    assert flood == ["Unable connect to node 1", "no metadata"]


def test_a_log_that_cannot_be_written_stops_no_work():
    program = """
import sys
from posta.telemetry.logs import get_logger, setup_logging
setup_logging(service="ingress", version="1.2", level="info")
log = get_logger("t")
log.info("before")
sys.stdout = open("/dev/full", "w")
setup_logging(service="ingress", version="1.2", level="info")
get_logger("u").info("the disk is full")
sys.stderr.write("went on")
import os
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "went on"


def test_of_a_flood_of_our_own_lines_some_are_written_and_every_error():
    program = """
from posta.telemetry.logs import get_logger, setup_logging
setup_logging(service="llm-worker", version="1.2", level="info", sampled_per_s=20)
log = get_logger("t")
for _ in range(2000):
    log.warning("message_will_be_retried")
for _ in range(50):
    log.error("message_given_up")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    retried = [line for line in found if line["event"] == "message_will_be_retried"]
    assert 20 < len(retried) < 200
    assert sum(line.get("omitted", 0) + 1 for line in retried) in range(1900, 2001)
    assert len(found) - len(retried) == 50

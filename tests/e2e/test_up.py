"""`posta up` and the commands around it, on the real services."""

import os
import re
import signal
import time
from collections.abc import Callable

import httpx
import pytest
from support.running_system import RunningSystem, answer_on_discord, ask_on_discord, publish

pytestmark = pytest.mark.e2e

SERVICES = {"ingress", "llm-worker", "email-poller", "notifier", "dlq-admin"}


def eventually(holds: Callable[[], bool], timeout_s: float = 20) -> bool:
    deadline = time.monotonic() + timeout_s
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return held


def test_status_names_every_service_server_and_address(system: RunningSystem) -> None:
    status = system.status
    assert status["ready"] is True
    assert set(status["services"]) == SERVICES
    for service in status["services"].values():
        assert service["ready"] is True
        assert {"url", "pid", "ready", "restarts"} <= set(service)
    assert re.fullmatch(r"127\.0\.0\.1:\d+", status["kafka"]["bootstrap_servers"])
    assert status["database"]["url"].startswith("postgresql://")
    assert {"url", "llm_url", "smtp", "imap"} <= set(status["sandbox"])


def test_a_question_on_discord_is_answered(system: RunningSystem) -> None:
    status = system.status
    interaction = answer_on_discord(status, ask_on_discord(status, "Is the server up?"))
    assert interaction["initial"]["type"] == 5
    assert interaction["initial"]["ms"] < 3000
    assert "Is the server up?" in interaction["edits"][-1]["content"]


def test_an_event_from_the_curl_line_arrives_at_the_webhook(system: RunningSystem) -> None:
    status = system.status
    publish(status, {"type": "backup.failed", "data": {"title": "Backup of host e2e-up"}})

    def arrived() -> bool:
        address = f"{status['sandbox']['url']}/api/messages"
        return "Backup of host e2e-up" in httpx.get(address, params={"webhook": "ops"}).text

    assert eventually(arrived)


def test_a_mail_to_the_sandboxs_mailbox_is_answered(system: RunningSystem) -> None:
    status = system.status
    box = f"{status['sandbox']['url']}/api/mail"
    mail = {"from": "maria@customer.test", "subject": "Opening hours?", "text": "When are you open?"}
    httpx.post(box, json=mail, timeout=10).raise_for_status()

    def replied() -> bool:
        return any(
            message["box"] == "maria@customer.test" and "Opening hours?" in message["subject"]
            for message in httpx.get(box, timeout=10).json()
        )

    assert eventually(replied, timeout_s=40)


def test_the_console_opens_to_the_generated_key_and_to_no_other(system: RunningSystem) -> None:
    status = system.status
    address = f"{status['services']['dlq-admin']['url']}/v1/dead-letters"
    key = status["credentials"]["admin_key"]
    assert httpx.get(address, headers={"authorization": f"Bearer {key}"}).status_code == 200
    assert httpx.get(address).status_code == 401


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_a_service_restarts_on_request_and_exits_cleanly(system: RunningSystem, service: str) -> None:
    before = system.status["services"][service]
    restarted = system.posta("restart", service)
    assert restarted.returncode == 0, restarted.stderr
    after = system.status["services"][service]
    assert after["pid"] != before["pid"]
    assert (after["ready"], after["restarts"]) == (True, before["restarts"])


def test_the_doctor_finds_nothing_wrong_with_a_running_system(system: RunningSystem) -> None:
    examined = system.posta("doctor")
    assert examined.returncode == 0, examined.stdout + examined.stderr
    assert "fail" not in examined.stdout


def test_no_secret_lies_in_a_log(system: RunningSystem) -> None:
    status = system.status
    password = status["database"]["url"].split(":")[2].split("@")[0]
    secrets = {password, *status["credentials"].values()} - {
        status["credentials"][public]
        for public in ("mail_address", "discord_public_key", "discord_application_id")
    }
    assert len(secrets) == 4
    for log in system.home.rglob("*.log"):
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log


def test_a_second_system_runs_beside_the_first_and_survives_kills_and_restarts(
    system: RunningSystem, own_system: Callable[..., RunningSystem]
) -> None:
    second = own_system()
    said = second.up()
    assert re.search(r"ready after \d+\.\d s", said)
    before = second.status
    first = system.status
    assert first["ready"]
    assert {s["url"] for s in first["services"].values()}.isdisjoint(
        s["url"] for s in before["services"].values()
    )

    for victim in (before["kafka"], before["database"], before["sandbox"]):
        os.kill(victim["pid"], signal.SIGKILL)
    revived = second.wait_until(
        lambda now: (
            now["ready"] and all(now[part]["restarts"] == 1 for part in ("kafka", "database", "sandbox"))
        )
    )
    assert answer_on_discord(revived, ask_on_discord(revived, "Still there?"))["edits"]

    second.down()
    assert eventually(lambda: second.processes() == [], timeout_s=5), second.processes()
    second.up()
    after = second.status
    assert {name: s["url"] for name, s in after["services"].items()} == {
        name: s["url"] for name, s in before["services"].items()
    }
    assert after["credentials"] == before["credentials"]

    os.kill(after["pid"], signal.SIGKILL)
    assert eventually(lambda: second.processes() == [], timeout_s=10), second.processes()
    second.up()
    assert second.posta("down", "--wipe").returncode == 0
    assert not second.home.exists()
    assert system.status["ready"] is True

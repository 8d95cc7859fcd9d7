import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

System = Any


def pid_of(status: dict[str, Any], service: str) -> int:
    return int(status["services"][service]["pid"])


def nothing_runs(system: System, within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while system.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not system.processes()


def test_a_crashed_service_is_started_again_counted_and_the_others_never_notice(
    system: System,
) -> None:
    system.up()
    before = system.status()
    os.kill(pid_of(before, "notifier"), signal.SIGKILL)
    after = system.wait_until(
        lambda now: now["ready"] and pid_of(now, "notifier") != pid_of(before, "notifier")
    )
    assert after["services"]["notifier"]["restarts"] == 1
    for other in ("ingress", "llm-worker", "email-poller", "dlq-admin"):
        assert after["services"][other] == before["services"][other]


def test_status_tells_at_once_when_a_service_is_no_longer_ready(system: System) -> None:
    system.up()
    order = system.order("ingress", "unready")
    status = json.loads(system.posta("status", "--json").stdout)
    assert (status["ready"], status["services"]["ingress"]["ready"]) == (False, False)
    order.unlink()
    assert system.status()["ready"] is True


def test_a_configuration_error_stops_everything_and_is_quoted(system: System) -> None:
    system.order("notifier", "refuse")
    system.up(until_ready=False)
    code, output = system.ended()
    assert code == 78
    assert "notifier refuses its configuration" in output
    assert "rules.yaml" in output
    assert "no such command" in output
    assert nothing_runs(system)


def test_a_service_that_keeps_dying_while_starting_stops_everything(system: System) -> None:
    system.order("llm_worker", "crash")
    system.up(until_ready=False)
    code, output = system.ended()
    assert code == 1
    assert "llm-worker ended 3 times in a row while starting (exit 1)" in output
    assert "crashed_on_purpose" in output
    assert nothing_runs(system)


def test_a_service_refused_later_stays_down_alone_until_it_is_restarted(system: System) -> None:
    system.up()
    order = system.order("dlq_admin", "refuse")
    refused = system.posta("restart", "dlq-admin")
    assert refused.returncode == 1
    assert "refused its configuration" in refused.stderr
    status = system.status()
    assert status["services"]["dlq-admin"]["pid"] is None
    assert status["services"]["ingress"]["ready"] is True
    order.unlink()
    assert system.posta("restart", "dlq-admin").returncode == 0
    assert system.status()["ready"] is True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_every_service_leave_in_order_and_leaves_nothing(
    system: System, number: signal.Signals
) -> None:
    system.up()
    assert system.supervisor is not None
    system.supervisor.send_signal(number)
    code, output = system.ended()
    assert code == 0
    assert "Stopped after" in output
    assert len(list(system.orders.glob("*.left"))) == 5
    assert nothing_runs(system)
    assert not (system.home / "run" / "supervisor.json").exists()


def test_a_second_signal_ends_everything_at_once(system: System) -> None:
    for service in ("ingress", "notifier"):
        system.order(service, "deaf")
    system.up()
    assert system.supervisor is not None
    system.supervisor.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert system.processes()
    system.supervisor.send_signal(signal.SIGINT)
    code, _ = system.ended(timeout_s=2)
    assert code == 130
    assert nothing_runs(system)


def test_a_service_deaf_to_sigterm_is_killed_after_its_grace(system: System) -> None:
    system.order("ingress", "deaf")
    system.up()
    began = time.monotonic()
    assert system.posta("down").returncode == 0
    assert time.monotonic() - began < 15
    assert nothing_runs(system)


def test_a_killed_supervisor_takes_every_process_with_it_and_the_next_one_starts(
    system: System,
) -> None:
    system.up()
    assert system.supervisor is not None
    ports = {name: service["url"] for name, service in system.status()["services"].items()}
    system.supervisor.send_signal(signal.SIGKILL)
    system.ended()
    assert nothing_runs(system)
    told = system.posta("status")
    assert told.returncode == 3
    assert "It was killed before" in told.stderr
    system.up()
    again = {name: service["url"] for name, service in system.status()["services"].items()}
    assert again == ports


def test_a_stop_during_the_start_leaves_nothing(system: System) -> None:
    system.order("notifier", "unready")
    system.up(until_ready=False)
    system.wait_until(lambda status: status["services"]["ingress"]["ready"])
    assert system.posta("down").returncode == 0
    assert system.ended()[0] == 0
    assert nothing_runs(system)


def test_a_detached_system_returns_when_ready_and_is_stopped_from_any_shell(
    system: System,
) -> None:
    started = system.posta("up", "--no-sandbox", "--detach")
    assert started.returncode == 0, started.stderr + started.stdout
    assert "✓ ingress" in started.stdout
    assert "posta down" in started.stdout
    status = system.status()
    assert status["ready"]
    assert status["credentials"]["scripts_key"] in started.stdout
    logged = (system.home / "logs" / "supervisor.log").read_text()
    assert "Posta is ready after" in logged
    assert "posta_" not in logged
    second = system.posta("up", "--no-sandbox")
    assert second.returncode == 1
    assert f"pid {status['pid']}" in second.stderr
    assert system.posta("down", "--wipe").returncode == 0
    assert nothing_runs(system)
    assert not system.home.exists()
    assert system.posta("down").returncode == 3


def test_a_detached_start_that_fails_says_why_and_has_its_exit_code(system: System) -> None:
    system.order("ingress", "refuse")
    started = system.posta("up", "--no-sandbox", "--detach")
    assert started.returncode == 78
    assert "ingress refuses its configuration" in started.stdout
    assert nothing_runs(system)


def test_a_taken_port_is_named_and_nothing_is_started(system: System) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        system.env["POSTA_INGRESS_PORT"] = str(taken.getsockname()[1])
        started = system.posta("up", "--no-sandbox")
    assert started.returncode == 1
    assert "(POSTA_INGRESS_PORT) is in use by pid" in started.stderr
    assert nothing_runs(system)


def test_a_kafka_that_does_not_answer_is_named_and_nothing_is_started(system: System) -> None:
    system.env["POSTA_KAFKA__BOOTSTRAP_SERVERS"] = "127.0.0.1:1"
    started = system.posta("up", "--no-sandbox")
    assert started.returncode == 1
    assert "127.0.0.1:1" in started.stderr
    assert "POSTA_KAFKA__BOOTSTRAP_SERVERS" in started.stderr
    assert nothing_runs(system)


def test_a_wrong_variable_is_named_before_anything_starts(system: System) -> None:
    system.env["POSTA_KAFKA__PARTITIONS"] = "many"
    started = system.posta("up", "--no-sandbox")
    assert started.returncode == 78
    assert "POSTA_KAFKA__PARTITIONS" in started.stderr


def test_the_control_server_answers_only_to_the_token(system: System) -> None:
    system.up()
    file = system.home / "run" / "supervisor.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    address = json.loads(file.read_text())

    def ask(line: bytes) -> dict[str, Any]:
        with socket.create_connection((address["host"], address["port"]), timeout=5) as connection:
            connection.sendall(line + b"\n")
            return dict(json.loads(connection.makefile().readline()))

    wrong = {"token": "guess", "command": "stop"}
    assert ask(json.dumps(wrong).encode())["what"] == "The token is wrong."
    assert ask(b"GET / HTTP/1.1")["ok"] is False
    unknown = {"token": address["token"], "command": "explode"}
    assert "no command 'explode'" in ask(json.dumps(unknown).encode())["what"]
    assert system.status()["ready"] is True


def test_logs_outlive_the_system_and_read_well(system: System) -> None:
    system.up()
    assert system.posta("down").returncode == 0
    shown = system.posta("logs", "ingress", "-n", "1")
    assert shown.returncode == 0
    assert "info    started pid=" in shown.stdout
    everything = system.posta("logs").stdout
    assert {line.split()[0] for line in everything.splitlines()} >= {"ingress", "notifier"}
    none = system.posta("logs", "nosuch")
    assert none.returncode == 1
    assert "ingress" in none.stderr


def test_the_topics_and_the_tables_are_there_before_the_services(system: System) -> None:
    assert system.posta("topics", "plan").returncode == 2
    assert system.posta("db", "status").returncode == 2
    system.up()
    plan = system.posta("topics", "plan")
    assert (plan.returncode, plan.stdout.strip()) == (0, "Every topic is as declared.")
    assert system.posta("db", "status").returncode == 0
    assert system.posta("topics", "apply").returncode == 0
    assert system.posta("db", "migrate").returncode == 0


def test_the_supervisors_files_are_for_its_owner_alone(system: System) -> None:
    system.up()
    open_to_others = [
        path for path in Path(system.home).rglob("*") if path.is_file() and path.stat().st_mode & 0o077
    ]
    assert stat.S_IMODE(system.home.stat().st_mode) == 0o700
    assert {path.name for path in open_to_others} == set()


def test_logs_are_followed_across_a_restart(system: System) -> None:
    system.up()
    follower = subprocess.Popen(
        [sys.executable, "-m", "posta_cli", "logs", "notifier", "-f", "-n", "0"],
        env=system.env,
        cwd=system.cwd,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(1.5)
        assert system.posta("restart", "notifier").returncode == 0
        assert follower.stdout is not None
        pid = pid_of(system.status(), "notifier")
        assert f"started pid={pid}" in follower.stdout.readline()
    finally:
        follower.kill()
        follower.communicate()


def test_the_doctor_fails_where_kafka_lacks_its_topics_and_says_what_to_do(system: System) -> None:
    examined = system.posta("doctor")
    assert examined.returncode == 1
    assert "fail  kafka" in examined.stdout
    assert "posta topics apply" in examined.stdout
    assert "posta db migrate" in examined.stdout

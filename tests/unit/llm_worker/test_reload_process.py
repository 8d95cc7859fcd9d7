"""SIGHUP to a running llm-worker, which neither Kafka nor PostgreSQL is needed for."""

import shutil
import signal
import time

import httpx
import pytest
from support.processes import REPOSITORY, ServiceProcess, free_port

pytestmark = pytest.mark.slow
MODEL = "models: {{main: {{provider: main, name: {name}}}}}\n"


@pytest.fixture
def worker(tmp_path):
    shutil.copytree(REPOSITORY / "deploy" / "config", tmp_path / "config")
    away = free_port()
    env = {
        "POSTA_CONFIG_DIR": str(tmp_path / "config"),
        "POSTA_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{away}",
        "POSTA_DATABASE__URL": f"postgresql://posta@127.0.0.1:{away}/posta",
    }
    process = ServiceProcess("llm_worker", env, tmp_path / "log")
    process.start()
    yield process
    process.close()


def reloads(worker):
    """The reloads so far, by outcome; empty while nobody answers."""
    try:
        text = httpx.get(f"{worker.url}/metrics", timeout=5, trust_env=False).text
    except httpx.HTTPError:
        return None
    lines = [line for line in text.splitlines() if line.startswith("posta_config_reloads_total{")]
    return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in lines}


def until(worker, wanted):
    deadline = time.monotonic() + 30
    while (found := reloads(worker)) != wanted:
        assert time.monotonic() < deadline, f"{found}\n{worker.tail()}"
        time.sleep(0.1)


def test_a_right_file_is_put_in_force_and_a_wrong_one_changes_nothing(worker, tmp_path):
    until(worker, {})
    file = tmp_path / "config" / "llm.yaml"
    file.write_text(MODEL.format(name="other"))
    worker.signal(signal.SIGHUP)
    until(worker, {"ok": 1})
    file.write_text("models: 5")
    worker.signal(signal.SIGHUP)
    until(worker, {"ok": 1, "refused": 1})
    file.write_text(MODEL.format(name="other"))
    prompts = tmp_path / "config" / "prompts" / "answer.yaml"
    right = prompts.read_text("utf-8")
    prompts.write_text(right.replace("other_figures: correct", "other_figures: guess"), "utf-8")
    worker.signal(signal.SIGHUP)
    until(worker, {"ok": 1, "refused": 2})
    prompts.write_text(right.replace("Be correct, friendly", "Be quick, friendly"), "utf-8")
    worker.signal(signal.SIGHUP)
    until(worker, {"ok": 2, "refused": 2})
    said = (tmp_path / "log").read_text()
    assert "rules_not_reloaded" in said
    assert "llm.yaml: models:" in said

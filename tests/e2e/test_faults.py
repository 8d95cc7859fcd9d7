"""The faults that must already hold, on real Kafka and PostgreSQL, judged by the sandbox's ledger.

The ledger is the ground truth: every call to the look-alike Discord and LLM, whatever Posta believes.
"""

import json
import os
import signal
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
from support.system import Posta, eventually

pytestmark = pytest.mark.e2e
PEOPLE = ("alex", "sam", "kim")


class Load:
    """Questions asked one after another in the background, each unique, from several people."""

    def __init__(self, posta: Posta, *, pause_s: float = 0.1) -> None:
        self.posta = posta
        self.marker = uuid.uuid4().hex[:8]
        self.asked: list[dict] = []
        self.pause_s = pause_s
        self.stop = threading.Event()
        self.faults: list[BaseException] = []

    def run(self) -> None:
        while not self.stop.is_set():
            self.one()
            self.stop.wait(self.pause_s)

    def one(self) -> dict:
        number = len(self.asked)
        channel = ("support", "general")[number % 2]
        answer = self.posta.ask(f"{self.marker} {number}?", user=PEOPLE[number % 3], channel=channel)
        self.asked.append(answer)
        return answer

    @property
    def acknowledged(self) -> list[str]:
        return [a["id"] for a in self.asked if a["initial"]["status"] == 200 and a["initial"]["type"] == 5]

    @property
    def slowest_ack_ms(self) -> float:
        return max((a["initial"]["ms"] for a in self.asked if a["initial"]["status"] == 200), default=0)

    def llm_calls(self) -> Counter:
        """Calls to the LLM by question; those of other tests are not ours."""
        questions = [call["hints"].get("question", "") for call in self.posta.calls("llm")]
        return Counter(q for q in questions if self.marker in q)

    def shown(self) -> dict[str, list[str]]:
        """What each person saw, by interaction."""
        return {
            id_: [edit["content"] for edit in self.posta.interaction(id_)["edits"]]
            for id_ in self.acknowledged
        }

    def all_answered(self) -> bool:
        return all(self.posta.interaction(id_)["state"] == "answered" for id_ in self.acknowledged)

    def settle(self, *, kills: int = 0, within_s: float = 90) -> None:
        """Wait for every answer, then judge: nothing lost, nothing shown twice, nothing overpaid."""
        eventually(self.all_answered, within_s=within_s, why=self.unanswered, every_s=0.5)
        time.sleep(2)  # a double would come now
        for id_, contents in self.shown().items():
            assert len(contents) == 1, f"{id_} was shown {len(contents)} answers: {contents}"
            assert self.marker in contents[0]
        calls = self.llm_calls()
        assert all(count <= 1 + kills for count in calls.values()), calls
        print(
            f"acknowledged {len(self.acknowledged)}, shown {len(self.shown())}, "
            f"LLM calls {sum(calls.values())} for {len(calls)} questions, "
            f"most {max(calls.values())} for one, "
            f"slowest ACK {self.slowest_ack_ms:.0f} ms"
        )

    def unanswered(self) -> str:
        left = [id_ for id_ in self.acknowledged if self.posta.interaction(id_)["state"] != "answered"]
        return f"unanswered: {left}\n{self.posta.logs()}"


@contextmanager
def load(posta: Posta, *, pause_s: float = 0.1) -> Iterator[Load]:
    work = Load(posta, pause_s=pause_s)
    thread = threading.Thread(target=work.run)
    thread.start()
    try:
        yield work
    finally:
        work.stop.set()
        thread.join(30)


def test_llm_worker_killed_while_it_waits_for_the_llm(posta):
    pid = posta.pid("llm-worker")
    posta.http.put(f"{posta.sandbox}/api/llm/settings", json={"latency_s": 20.0})
    work = Load(posta)
    for _ in range(6):
        work.one()
    eventually(lambda: len(work.llm_calls()) == 6, why=posta.logs)
    assert not any(work.shown().values()), "all six calls are under way"
    os.kill(pid, signal.SIGKILL)
    posta.http.put(f"{posta.sandbox}/api/llm/settings", json={"latency_s": 0.3})
    work.settle(kills=1)
    assert set(work.llm_calls().values()) == {2}, "each was asked once more, and not oftener"


def test_notifier_killed_while_its_edit_is_under_way(posta):
    work = Load(posta)
    pid = posta.pid("notifier")
    posta.fault("discord", kind="latency", seconds=3, count=1, match="@original")
    work.one()
    eventually(lambda: posta.interaction(work.acknowledged[0])["edits"] or _is_hanging(posta), within_s=20)
    os.kill(pid, signal.SIGKILL)
    work.settle()


def _is_hanging(posta: Posta) -> bool:
    return any(call["fault"] for call in posta.calls("discord"))


def test_notifier_killed_after_discord_accepted_the_edit_and_before_its_commit(posta):
    # The edit takes effect and its answer is lost, so the notifier waits a second before it looks again:
    # the kill meets it between Discord's yes and its own note of it.
    work = Load(posta)
    pid = posta.pid("notifier")
    posta.fault("discord", kind="lost_answer", count=1, match="@original")
    work.one()
    eventually(lambda: posta.interaction(work.acknowledged[0])["edits"], within_s=20, every_s=0.01)
    os.kill(pid, signal.SIGKILL)
    work.settle()


def test_ingress_killed_under_load(posta):
    with load(posta, pause_s=0.05) as work:
        eventually(lambda: len(work.acknowledged) >= 10)
        posta.kill("ingress")
        before = len(work.acknowledged)
        eventually(lambda: len(work.acknowledged) >= before + 10, within_s=60)
    work.settle()
    unanswered = [a for a in work.asked if a["initial"]["status"] != 200]
    print(f"{len(unanswered)} interactions met no ingress and were told so by Discord")


def test_kafka_killed_under_load_every_ack_stays_in_time_and_the_spool_drains_in_order(posta):
    with load(posta) as work:
        eventually(lambda: len(work.acknowledged) >= 5)
        os.kill(posta.look().status["kafka"]["pid"], signal.SIGKILL)
        before = len(work.acknowledged)
        eventually(lambda: len(work.acknowledged) >= before + 20, within_s=60)
    work.settle()
    assert len(work.acknowledged) == len(work.asked), "none was turned away"
    assert work.slowest_ack_ms < 3000
    for user in PEOPLE:
        for channel in ("support", "general"):
            times = [
                posta.interaction(a["id"])["edits"][0]["at"]
                for a in work.asked
                if (a["user"], a["channel"]) == (user, channel)
            ]
            assert times == sorted(times), f"{user} in {channel} was answered out of order"


def test_postgresql_killed_under_load_intake_pauses_and_resumes_by_itself(posta):
    with load(posta) as work:
        eventually(lambda: len(work.acknowledged) >= 5)
        os.kill(posta.look().status["database"]["pid"], signal.SIGKILL)
        before = len(work.acknowledged)
        eventually(lambda: len(work.acknowledged) >= before + 20, within_s=60)
    work.settle()
    assert len(work.acknowledged) == len(work.asked), "acknowledging does not need the database"
    dead = [
        d
        for d in posta.dead_letters()
        if work.marker in json.dumps(d) or d["event_id"][8:] in work.acknowledged
    ]
    assert dead == [], "no attempt was burnt"


@pytest.mark.parametrize("service", ["ingress", "llm-worker", "notifier", "email-poller", "dlq-admin"])
def test_a_service_restarted_under_load_ends_in_time_with_0_and_nothing_is_lost_or_doubled(posta, service):
    with load(posta) as work:
        eventually(lambda: len(work.acknowledged) >= 5)
        process = psutil.Process(posta.pid(service))
        started = time.monotonic()
        done = posta.system.posta("restart", service)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not process.is_running()
        took_s = time.monotonic() - started
        before = len(work.acknowledged)
        eventually(lambda: len(work.acknowledged) >= before + 5, within_s=60)
    work.settle()
    log = (posta.home / "logs" / f"{service}.log").read_text(errors="replace")
    assert '"event": "stopped"' in log, "it drained, said so and ended with 0"
    assert "not_drained_in_time" not in log
    print(f"{service} restarted in {took_s:.1f} s")

"""docs/connect-discord.md, followed line by line: another sandbox is the Discord that is connected.

The page's commands run as they are written; only addresses, ids and keys are put in, and `make`, which
starts `posta`, is left out. A line that nothing here follows fails the test.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.processes import free_port
from support.running_system import REPOSITORY, RunningSystem, answer_on_discord
from support.system import eventually

from posta_sandbox import keys

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGE = REPOSITORY / "docs/connect-discord.md"
SEED = "7d" * 32
DISCORD = "https://discord.com/api/v10"
PLACEHOLDER = re.compile(r"<[^>]+>")


class Page:
    """The lines of code under each heading, each to be taken once."""

    def __init__(self, text: str) -> None:
        self._left: dict[str, list[str]] = {}
        heading = ""
        for line in text.splitlines():
            if line.startswith("## "):
                heading = line.removeprefix("## ")
            elif line.startswith("    ") and line.strip():
                self._left.setdefault(heading, []).append(line.strip())

    def take(self, heading: str, **values: str) -> list[str]:
        """The section's lines with what is in angle brackets replaced; nothing may stay in them."""
        lines = []
        for line in self._left.pop(heading):
            for name, value in values.items():
                line = line.replace(f"<{name.replace('_', ' ')}>", value)  # noqa: PLW2901 - the line as it runs
            assert not PLACEHOLDER.search(line), f"what is meant by {line!r}?"
            lines.append(line)
        return lines

    @property
    def left(self) -> dict[str, list[str]]:
        """What was not taken."""
        return self._left


class Discord:
    """The Discord that is connected: a sandbox in a process of its own."""

    def __init__(self, ingress_url: str) -> None:
        port = free_port()
        self.url, self.api_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/api/v10"
        self.application_id, self.public_key = keys.application_id(SEED), keys.public_key_hex(SEED)
        env = {
            **os.environ,
            "POSTA_SANDBOX__PORT": str(port),
            "POSTA_SANDBOX__INGRESS_URL": ingress_url,
            "POSTA_SANDBOX__DISCORD_SEED": SEED,
        }
        self._process = subprocess.Popen([sys.executable, "-m", "posta_sandbox"], env=env)
        eventually(self._answers, why="the sandbox does not answer")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/settings", timeout=2).is_success
        except httpx.TransportError:
            return False

    def use(self, command: str, **options: str) -> dict:
        body = {"command": command, "options": options}
        answer = httpx.post(f"{self.url}/api/interactions", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def registered(self) -> set[str]:
        address = f"{self.api_url}/applications/{self.application_id}/commands"
        headers = {"authorization": "Bot any", "user-agent": "DiscordBot (https://posta.example, 1)"}
        answer = httpx.get(address, headers=headers, timeout=10)
        answer.raise_for_status()
        return {command["name"] for command in answer.json()}

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Follower:
    """A person at a shell, in the folder where `.env` lies."""

    def __init__(self, system: RunningSystem) -> None:
        self.system = system
        self.folder = system.home.parent

    def run(self, line: str, *, expect: int = 0) -> str:
        """Run one line of the page; return what it printed."""
        words = shlex.split(line, comments=True)
        match words[0]:
            case "make":
                return "".join(self._make(target) for target in words[1:])
            case "posta":
                ended = self.system.posta(*words[1:])
            case "curl" | "kill":
                ended = subprocess.run(
                    [shutil.which(words[0]) or words[0], *words[1:]],
                    capture_output=True, text=True, timeout=60, check=False,
                )  # fmt: skip
            case other:
                pytest.fail(f"the page says {other!r}: whoever follows it may not have that")
        assert ended.returncode == expect, f"{line}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout + ended.stderr

    def _make(self, target: str) -> str:
        recipe = (REPOSITORY / "Makefile").read_text()
        assert f"@exec $(BIN)/posta {target} $(ARGS)" in recipe
        if target == "up":
            return self.system.up()
        self.system.down()
        return ""

    def log_of(self, service: str) -> str:
        return (self.system.home / "logs" / f"{service}.log").read_text()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system as `make up` starts it, with rules of its own to edit."""
    folder = tmp_path_factory.mktemp("connect")
    shutil.copytree(REPOSITORY / "deploy/config", folder / "deploy/config")
    running = RunningSystem(folder / "home")
    running.up()
    yield running
    running.down()


@pytest.fixture(scope="module")
def discord(system: RunningSystem) -> Iterator[Discord]:
    server = Discord(system.status["services"]["ingress"]["url"])
    yield server
    server.close()


@pytest.mark.xdist_group("connect discord")
def test_whoever_follows_the_page_gets_an_answer_and_an_event(
    system: RunningSystem, discord: Discord, tmp_path: Path
) -> None:
    page, person = Page(PAGE.read_text()), Follower(system)
    _tell_posta(page, person, discord, tmp_path)
    ingress = system.status["services"]["ingress"]["url"].removeprefix("http://")
    _let_discord_reach_it(page, person, discord, ingress)
    _register(page, person, discord)
    _ask(page, person, discord, ingress)
    _show_an_event(page, person, discord, ingress, tmp_path)
    _change_the_commands(page, person, discord)
    assert page.left == {}, "nothing here follows these lines"


def _tell_posta(page: Page, person: Follower, discord: Discord, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token")
    lines = page.take(
        "2. Tell Posta", the_application_id=discord.application_id, the_public_key=discord.public_key
    )
    settings = [line for line in lines if line.startswith("POSTA_")]
    text = "\n".join(settings).replace("/path/to/a/file/with/the/token", str(token))
    assert DISCORD in text
    # Which hosts webhooks may be at is Discord's own unless one says otherwise: here, where this one is.
    allowed = f"POSTA_DESTINATIONS__HOSTS={discord.url.removeprefix('http://')}"
    (person.folder / ".env").write_text(f"{text.replace(DISCORD, discord.api_url)}\n{allowed}\n")
    make, doctor = lines[len(settings) :]
    person.run(make)
    assert "fail" not in person.run(doctor)


def _let_discord_reach_it(page: Page, person: Follower, discord: Discord, ingress: str) -> None:
    (curl,) = page.take("3. Let Discord reach it", your_host=ingress)
    assert "401" in person.run(curl.replace("https://", "http://")).splitlines()[0]
    # What Discord does when the address is entered: a ping, and signatures that are wrong or old.
    assert _ping(discord, ingress, {"type": 1}) == (200, {"type": 1})
    assert _ping(discord, ingress, {"type": 1}, forged=True)[0] == 401
    assert _ping(discord, ingress, {"type": 1}, age_s=600)[0] == 401
    metrics = httpx.get(f"http://{ingress}/metrics", timeout=10).text
    for reason in ("signature_wrong", "timestamp_stale"):
        assert re.search(rf'posta_ingress_rejected_total{{[^}}]*reason="{reason}"[^}}]*}} [1-9]', metrics)
        assert reason in PAGE.read_text()


def _ping(
    discord: Discord, ingress: str, body: dict, *, forged: bool = False, age_s: float = 0
) -> tuple[int, dict]:
    content = json.dumps({"id": "1", "application_id": discord.application_id, **body}).encode()
    stamp = str(int(time.time() - age_s))
    signature = keys.signing_key(SEED).sign(stamp.encode() + content).signature.hex()
    headers = {
        "x-signature-ed25519": ("0" if signature[0] != "0" else "1") + signature[1:] if forged else signature,
        "x-signature-timestamp": stamp,
    }
    answer = httpx.post(
        f"http://{ingress}/discord-interactions", content=content, headers=headers, timeout=10
    )
    return answer.status_code, answer.json()


def _register(page: Page, person: Follower, discord: Discord) -> None:
    look, register, in_one_server = page.take(
        "5. Register the commands", **{"the_server's_id": "11000000000000001"}
    )
    said = person.run(look, expect=2)
    assert re.search(r"\+.*ask", said)
    assert discord.registered() == set()
    person.run(register)
    assert {"ask", "help", "report"} <= discord.registered()
    assert re.search(r"=.*ask", person.run(look))
    person.run(in_one_server)


def _ask(page: Page, person: Follower, discord: Discord, ingress: str) -> None:
    question = discord.use("ask", question="Does the page work?")
    status = {"sandbox": {"url": discord.url}}
    answered = answer_on_discord(status, question["id"])
    assert answered["initial"]["type"] == 5
    assert "Does the page work?" in answered["edits"][-1]["content"]
    logs, how_far = page.take(
        "6. Add it to your server and ask",
        id=question["id"],
        ingress=ingress,
        the_admin_key=person.system.status["credentials"]["admin_key"],
    )
    assert re.search(rf"accepted.*discord:{question['id']}", person.run(logs))
    assert ingress in person.run("posta status")
    eventually(lambda: "COMPLETED" in person.run(how_far), why="the question is not noted as answered")


def _show_an_event(page: Page, person: Follower, discord: Discord, ingress: str, tmp_path: Path) -> None:
    url = tmp_path / "url"
    url.write_text(keys.webhook_url(discord.url, SEED, "ops"))
    values = {"the_file_with_the_webhook's_URL": str(url), "ingress": ingress, "the_key_it_showed": "KEY"}
    add, make_key, publish = page.take("7. Show events in a channel", **values)
    assert "is registered" in person.run(add)
    key = re.search(r"posta_[A-Za-z0-9_-]{20,}", person.run(make_key))
    assert key
    assert " 202 " in person.run(publish.replace("KEY", key[0])).splitlines()[0]
    eventually(lambda: "Version 7 is live" in httpx.get(f"{discord.url}/api/messages", timeout=10).text)


def _change_the_commands(page: Page, person: Follower, discord: Discord) -> None:
    rules = person.folder / "deploy/config/commands.yaml"
    good = rules.read_text()
    pid = str(person.system.status["services"]["ingress"]["pid"])
    reread, register = page.take("Changing what people can do", pid_of_ingress=pid)
    rules.write_text(good.replace("  help:", "  help!:", 1))
    person.run(reread)
    eventually(lambda: "rules_not_reloaded" in person.log_of("ingress"))
    assert discord.use("help")["initial"]["type"] == 4
    rules.write_text(good.replace("  help:", "  guide:", 1))
    person.run(reread)
    eventually(lambda: "rules_reloaded" in person.log_of("ingress"))
    person.run(register)
    assert "guide" in discord.registered()
    eventually(lambda: "Use `/ask`" in str(discord.use("guide")["initial"]))


def test_a_key_that_is_none_is_named_by_the_doctor(system: RunningSystem) -> None:
    broken = RunningSystem(system.home, {"POSTA_DISCORD__PUBLIC_KEYS": "no-key"})
    said = broken.posta("doctor")
    assert said.returncode == 1
    assert re.search(r"fail\s+ingress.*POSTA_DISCORD__PUBLIC_KEYS", said.stdout)


def test_what_the_page_quotes_is_what_people_see() -> None:
    shown = (REPOSITORY / "services/ingress/src/ingress/interactions/answers.py").read_text()
    quoted = re.findall(r"^\| \"(I [^\"]+|That [^\"]+)\" \|", PAGE.read_text(), flags=re.MULTILINE)
    assert len(quoted) == 3
    for words in quoted:
        assert words in shown

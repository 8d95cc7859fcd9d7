"""What a program sees of publishing, with and without an event loop: one contract for both."""

import asyncio
import json
import logging

import httpx
import pytest

from ingress.events.cloudevent import parse_events
from posta_client import AsyncPublisher, NotPublished, Options, Publisher, Settings, State, shortcuts
from posta_client.command import main
from posta_client.settings import from_environment
from posta_client.verdict import Later

logging.getLogger("posta_client").setLevel(logging.CRITICAL)


class Ingress:
    """Answers as ingress would, or as it is told, and notes what arrived."""

    def __init__(self):
        self.events = []
        self.requests = 0
        self.authorization = set()
        self.status = 202
        self.refused = set()
        self.raises = None

    def __call__(self, request):
        self.requests += 1
        self.authorization.add(request.headers.get("authorization"))
        if self.raises is not None:
            raise self.raises
        if self.status != 202:
            return httpx.Response(self.status, json={"title": "No", "detail": "not now"})
        found = parse_events({"content-type": request.headers["content-type"]}, request.content)
        if any(event.type in self.refused for event in found.events):
            return httpx.Response(422, json={"title": "Wrong", "detail": "that type"})
        self.events.extend(found.events)
        ids = [{"id": f"event:{event.id}", "status": "accepted"} for event in found.events]
        return httpx.Response(202, json={"events": ids} if found.is_batch else ids[0])

    @property
    def types(self):
        return [event.type for event in self.events]


class InOneLoop:
    """An ``AsyncPublisher`` with the methods of a ``Publisher``."""

    def __init__(self, settings, transport):
        self._loop = asyncio.new_event_loop()
        self._publisher = AsyncPublisher(settings, transport=transport)
        self._outbox = self._publisher._outbox

    def __getattr__(self, name):
        method = getattr(self._publisher, {"close": "aclose"}.get(name, name))

        def call(*arguments, **named):
            return self._loop.run_until_complete(method(*arguments, **named))

        return call

    def end(self):
        self.close()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@pytest.fixture
def ingress():
    return Ingress()


@pytest.fixture(params=["sync", "async"])
def publisher_of(request, ingress, tmp_path):
    made = []

    def make(**changes):
        given = {"url": "http://posta", "api_key": "posta_k", "source": "/s", "budget_s": 20.0,
                 "spool": tmp_path / "s" / "spool.sqlite3"} | changes  # fmt: skip
        transport = httpx.MockTransport(ingress)
        if request.param == "sync":
            made.append(Publisher(Settings(**given), transport=transport))
        else:
            made.append(InOneLoop(Settings(**given), transport))
        return made[-1]

    yield make
    for one in made:
        one.end() if isinstance(one, InOneLoop) else one.close()


@pytest.fixture
def publisher(publisher_of):
    return publisher_of()


def unpause(publisher):
    publisher._outbox.end_pause()


def test_an_event_is_sent_with_its_key_and_has_postas_id(publisher, ingress):
    receipt = publisher.publish("backup.done", {"gb": 3}, Options(destination="ops", id="7"))
    assert (receipt.state, receipt.id, receipt.posta_id) == (State.SENT, "7", "event:7")
    (event,) = ingress.events
    assert (event.type, event.data, event.destination, event.source) == (
        "backup.done",
        {"gb": 3},
        "ops",
        "/s",
    )
    assert ingress.authorization == {"Bearer posta_k"}
    assert publisher.contents().waiting == 0


@pytest.mark.parametrize(
    "trouble", [503, 401, 429, 404, httpx.ConnectError("x"), httpx.ReadTimeout("x"), OSError()]
)
def test_what_is_not_taken_is_kept_and_leaves_in_order_with_the_next_call(publisher, ingress, trouble):
    if isinstance(trouble, int):
        ingress.status = trouble
    else:
        ingress.raises = trouble
    assert publisher.publish("first").state is State.KEPT
    assert publisher.publish("second").state is State.KEPT
    assert ingress.requests == 1, "while Posta is left alone nobody waits for it again"
    ingress.status, ingress.raises = 202, None
    unpause(publisher)
    assert publisher.publish("third").state is State.SENT
    assert ingress.types == ["first", "second", "third"]
    assert publisher.contents().waiting == 0


def test_what_is_refused_is_put_aside_and_holds_up_nothing(publisher, ingress):
    ingress.refused = {"bad"}
    refused = publisher.publish("bad")
    assert (refused.state, refused.reason) == (State.REFUSED, "422 Wrong: that type")
    ingress.status = 503
    for name in ("a", "bad", "b"):
        publisher.publish(name)
    ingress.status = 202
    unpause(publisher)
    assert publisher.drain() == 2
    assert ingress.types == ["a", "b"]
    held = publisher.contents()
    assert (held.waiting, held.refused) == (0, 2)
    ingress.refused = set()
    publisher._outbox.requeue_refused()
    assert publisher.drain() == 2


def test_a_full_spool_loses_the_newest_and_says_so(publisher_of, ingress):
    publisher = publisher_of(max_events=2)
    ingress.status = 503
    states = [publisher.publish(name).state for name in ("a", "b", "c")]
    assert states == [State.KEPT, State.KEPT, State.LOST]
    with pytest.raises(NotPublished, match="bounds"):
        publisher.publish("d", strict=True)


def test_an_event_that_finds_no_room_is_sent_ahead_rather_than_lost(publisher_of, ingress):
    publisher = publisher_of(max_events=1)
    ingress.status = 503
    assert publisher.publish("kept").state is State.KEPT
    ingress.status = 202
    unpause(publisher)
    assert publisher.publish("ahead").state is State.SENT
    publisher.drain()
    assert ingress.types == ["ahead", "kept"]


def test_without_an_address_events_are_kept_until_there_is_one(publisher_of, ingress):
    nowhere = publisher_of(url="")
    assert nowhere.publish("a").reason == "POSTA_URL is not set"
    nowhere.close()
    assert publisher_of().publish("b").state is State.SENT
    assert ingress.types == ["a", "b"]


def test_without_a_spool_it_is_sent_or_lost(publisher_of, ingress):
    publisher = publisher_of(spool=None)
    assert publisher.publish("a").state is State.SENT
    ingress.status = 503
    assert publisher.publish("b").state is State.LOST
    assert publisher.drain() == 0


def test_a_spool_that_cannot_be_written_still_lets_events_through(publisher_of, ingress, tmp_path):
    (tmp_path / "file").write_text("")
    publisher = publisher_of(spool=tmp_path / "file" / "spool.sqlite3")
    assert publisher.publish("a").state is State.SENT
    ingress.status = 503
    assert publisher.publish("b").state is State.LOST


def test_nothing_that_goes_wrong_is_raised_unasked(publisher, monkeypatch):
    def broken(*_args, **_named):
        raise RuntimeError("a defect")

    monkeypatch.setattr(publisher._outbox, "may_send_directly", broken)
    receipt = publisher.publish("a")
    assert (receipt.state, receipt.reason) == (State.LOST, "RuntimeError: a defect")


def test_a_time_to_wait_that_posta_names_is_obeyed_and_shared(publisher_of, ingress):
    publisher, other = publisher_of(), publisher_of()
    publisher._outbox.settle_one(make_kept(publisher), Later("503", 500.0), timeout_s=5)
    assert publisher._outbox.is_pausing()
    assert other.publish("b").state is State.KEPT
    assert ingress.requests == 0


def make_kept(publisher):
    from posta_client.event import make_event  # noqa: PLC0415 - beside its only use

    return make_event("a", None, Options(), source="/s")


def test_the_ready_made_events_say_what_they_should(publisher, ingress):
    publisher.publish_backup_error("db1", OSError("disk full"), size_gb=3)
    publisher.publish_backup_success("db1", duration_s=7)
    publisher.publish_minecraft_status("survival", online=False, players=0)
    publisher.publish_error(42, "no answer")
    publisher.publish_error(42, "no answer")
    failed, done, server, first, second = ingress.events
    assert (failed.type, failed.data["error"], failed.data["size_gb"]) == ("backup.failed", "disk full", 3)
    assert done.type == "backup.succeeded"
    assert failed.thread_key == done.thread_key == "backup/db1"
    assert (server.data["online"], server.thread_key) == (False, "minecraft/survival")
    assert first.dedupe_key == second.dedupe_key
    assert first.data["user_id"] == "42"


# --- one line, old names, the command ------------------------------------------------------------


def test_old_callers_change_one_import(ingress, tmp_path):
    settings = Settings(url="http://posta", spool=tmp_path / "s.sqlite3", budget_s=20)
    with Publisher(settings, transport=httpx.MockTransport(ingress)) as publisher:
        shortcuts.use_publisher(publisher)
        try:
            assert shortcuts.notificar_error_general(42, "algo falló", "ignored", guild="7") is True
            assert shortcuts.publish_backup_error("db", "x").state is State.SENT
            assert shortcuts.publish_backup_success("db").state is State.SENT
            assert shortcuts.publish_minecraft_status("s", online=True).state is State.SENT
            assert shortcuts.publish("own.type", {"a": 1}).state is State.SENT
        finally:
            shortcuts.use_publisher(None)
    assert ingress.types == [
        "error.reported",
        "backup.failed",
        "backup.succeeded",
        "minecraft.status",
        "own.type",
    ]
    assert ingress.events[0].data["message"] == "algo falló"
    assert ingress.events[0].data["guild"] == "7"


@pytest.fixture
def offline(monkeypatch, tmp_path):
    for name in ("POSTA_URL", "POSTA_API_KEY", "POSTA_DESTINATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POSTA_SPOOL", str(tmp_path / "spool.sqlite3"))


def test_the_command_keeps_what_it_cannot_send_and_never_fails_the_script(offline, capsys, tmp_path):
    (tmp_path / "more.json").write_text('{"log": ["a"]}')
    words = ["backup.failed", "host=db1", "--thread-key", "b", "gb:=1.5", "--deliver-at", "10m"]
    assert main([*words, "--data", str(tmp_path / "more.json")]) == 0
    assert capsys.readouterr().out.startswith("kept ")
    assert main(["status"]) == 0
    assert "waiting  1, the oldest since" in capsys.readouterr().out
    assert main(["drain", "--budget", "1"]) == 1
    assert "0 sent, 1 waiting, 0 refused" in capsys.readouterr().out


def test_the_command_fails_only_when_asked_to(offline, capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POSTA_SPOOL", str(tmp_path / "file" / "s"))
    assert main(["x"]) == 0
    assert main(["x", "--strict"]) == 1
    assert "lost" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["x", "nonsense"], ["x", "--deliver-at", "noon"], ["x", "--data", "/nowhere"], []]
)
def test_a_command_line_that_makes_no_sense_is_explained(offline, capsys, words):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "posta-publish" in capsys.readouterr().err


def test_the_environment_says_how_to_reach_posta(tmp_path):
    (tmp_path / "key").write_text("posta_x\n")
    given = {"POSTA_URL": "http://p", "POSTA_API_KEY_FILE": str(tmp_path / "key"), "POSTA_SOURCE": "/me",
             "POSTA_DESTINATION": "ops", "HOME": "/h", "POSTA_BUDGET_S": "0.5"}  # fmt: skip
    found = from_environment(given)
    assert (found.url, found.api_key, found.source, found.destination) == (
        "http://p",
        "posta_x",
        "/me",
        "ops",
    )
    assert (str(found.spool), found.budget_s) == ("/h/.local/state/posta/spool.sqlite3", 0.5)
    assert "posta_x" not in repr(found)
    bare = from_environment({"POSTA_BUDGET_S": "never", "POSTA_API_KEY_FILE": "/nowhere"})
    assert (bare.url, bare.api_key, bare.spool, bare.budget_s) == ("", "", None, 2.0)
    assert bare.source.startswith("/hosts/")
    assert json.dumps(bare.budget_s)

import asyncio
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from posta_sandbox.embedded.errors import JarsUnavailable
from posta_sandbox.embedded.jars import LIST, Jar, JarStore, cache_folder, parse_list

CONTENT = b"the agreed bytes"
JAR = Jar(hashlib.sha256(CONTENT).hexdigest(), "kafka", "org.example:thing:1.0")
NOWHERE = "http://127.0.0.1:9/nothing"


class Registry:
    """A Maven repository on loopback that serves one body for every jar and counts requests."""

    def __init__(self) -> None:
        self.body = CONTENT
        self.status = 200
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.paths.append(self.path)
                known = self.path.endswith(".jar")
                self.send_response(outer.status if known else 404)
                self.end_headers()
                self.wfile.write(outer.body if known else b"")

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/maven2"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def registry():
    registry = Registry()
    yield registry
    registry.close()


def test_the_committed_list_names_each_jar_once_with_a_digest():
    jars = parse_list(LIST.read_text("utf-8"))
    assert {jar.server for jar in jars} == {"kafka", "greenmail"}
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert len({jar.filename for jar in jars}) == len(jars)
    coordinates = {jar.coordinate for jar in jars}
    assert "org.apache.kafka:kafka-clients:4.3.1" in coordinates
    assert "org.apache.kafka:kafka_2.13:4.3.1" in coordinates
    assert not any("log4j-slf4j2-impl" in coordinate for coordinate in coordinates)


def test_comments_and_empty_lines_of_the_list_are_skipped():
    assert parse_list("# heading\n\nabc kafka g:a:1 # why\n") == (Jar("abc", "kafka", "g:a:1"),)


async def test_a_missing_jar_is_fetched_by_its_coordinate_and_kept(tmp_path, registry):
    store = JarStore(tmp_path / "jars", jars=[JAR], registry=registry.url)
    (path,) = await store.class_path("kafka")
    assert path.read_bytes() == CONTENT
    assert registry.paths[0] == "/maven2/org/example/thing/1.0/thing-1.0.jar"
    assert [found.name for found in (tmp_path / "jars").iterdir()] == ["thing-1.0.jar"]


async def test_a_full_cache_needs_no_network(tmp_path):
    (tmp_path / JAR.filename).write_bytes(CONTENT)
    store = JarStore(tmp_path, jars=[JAR], registry=NOWHERE)
    assert await store.class_path("kafka") == [tmp_path / JAR.filename]


async def test_only_the_servers_own_jars_are_on_its_class_path(tmp_path):
    (tmp_path / JAR.filename).write_bytes(CONTENT)
    (tmp_path / "stray.jar").write_bytes(b"not on the list")
    other = Jar("0" * 64, "greenmail", "org.example:mail:1.0")
    store = JarStore(tmp_path, jars=[JAR, other], registry=NOWHERE)
    assert await store.class_path("kafka") == [tmp_path / JAR.filename]


async def test_a_damaged_jar_is_fetched_again(tmp_path, registry):
    (tmp_path / JAR.filename).write_bytes(b"half of it")
    store = JarStore(tmp_path, jars=[JAR], registry=registry.url)
    (path,) = await store.class_path("kafka")
    assert path.read_bytes() == CONTENT


async def test_a_jar_that_is_not_the_agreed_one_is_refused_and_not_kept(tmp_path, registry):
    registry.body = b"something else"
    store = JarStore(tmp_path, jars=[JAR], registry=registry.url)
    with pytest.raises(JarsUnavailable, match=r"thing-1\.0\.jar is not the file .* nothing was"):
        await store.class_path("kafka")
    assert list(tmp_path.iterdir()) == []


async def test_an_unreachable_registry_says_what_to_do(tmp_path):
    store = JarStore(tmp_path / "empty", jars=[JAR], registry=NOWHERE)
    with pytest.raises(JarsUnavailable, match=r"cannot fetch .*thing:1\.0.* check the network"):
        await store.class_path("kafka")


async def test_a_registry_without_the_jar_says_so(tmp_path, registry):
    registry.status = 404
    store = JarStore(tmp_path, jars=[JAR], registry=registry.url)
    with pytest.raises(JarsUnavailable, match="cannot fetch"):
        await store.class_path("kafka")


async def test_a_cache_that_cannot_be_written_says_which_folder(tmp_path, registry):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    store = JarStore(blocked / "jars", jars=[JAR], registry=registry.url)
    with pytest.raises(JarsUnavailable, match=r"cannot use the jar cache .*POSTA_CACHE"):
        await store.class_path("kafka")


async def test_two_fetches_at_once_both_end_with_the_jar(tmp_path, registry):
    stores = [JarStore(tmp_path, jars=[JAR], registry=registry.url) for _ in range(2)]
    paths = await asyncio.gather(*(store.class_path("kafka") for store in stores))
    assert [path.read_bytes() for (path,) in paths] == [CONTENT, CONTENT]


def test_the_cache_is_outside_the_repository_and_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("POSTA_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("POSTA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "posta"

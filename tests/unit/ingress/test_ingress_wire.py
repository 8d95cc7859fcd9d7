"""The plain form of Discord's request is read as the whole parser reads it, and no other form is."""

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingress.interactions.wire import FOREIGN, INCOMPLETE, Arrival, head, read

HEAD = (
    b"POST /discord-interactions HTTP/1.1\r\nHost: ingress\r\nContent-Type: application/json\r\n"
    b"Content-Length: 7\r\nX-Signature-Ed25519: ab\r\nX-Signature-Timestamp: 1700000000\r\n\r\n"
)
PLAIN = HEAD + b'{"a":1}'
MOST = 1000


def seen(data):
    return read(data, max_body_bytes=MOST)


def test_a_plain_request_is_read_and_what_follows_is_left():
    found = seen(PLAIN + b"POST")
    assert found == Arrival(
        b'{"a":1}',
        {
            b"host": b"ingress",
            b"content-type": b"application/json",
            b"content-length": b"7",
            b"x-signature-ed25519": b"ab",
            b"x-signature-timestamp": b"1700000000",
        },
        len(PLAIN),
    )


def test_every_beginning_of_it_is_waited_for():
    assert {type(seen(PLAIN[:size])) for size in range(len(PLAIN))} == {type(INCOMPLETE)}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PLAIN.replace(b"POST", b"GET"), id="another method"),
        pytest.param(PLAIN.replace(b"/discord-interactions", b"/v1/events"), id="another path"),
        pytest.param(PLAIN.replace(b"interactions ", b"interactions?a=b "), id="with a query"),
        pytest.param(PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"), id="an older version"),
        pytest.param(PLAIN.replace(b"Host: ingress\r\n", b""), id="no host"),
        pytest.param(PLAIN.replace(b"Host: i", b"Host: j\r\nHost: i"), id="two hosts"),
        pytest.param(PLAIN.replace(b"Content-Length: 7\r\n", b""), id="no length"),
        pytest.param(PLAIN.replace(b"Length: 7", b"Length: 7\r\nContent-Length: 7"), id="two lengths"),
        pytest.param(PLAIN.replace(b"Length: 7", b"Length: +7"), id="a length with a sign"),
        pytest.param(PLAIN.replace(b"Length: 7", b"Length: 7, 7"), id="a list of lengths"),
        pytest.param(PLAIN.replace(b"Length: 7", b"Length: 1001"), id="too large"),
        pytest.param(PLAIN.replace(b"Content-Type:", b"Transfer-Encoding:"), id="an encoding"),
        pytest.param(PLAIN.replace(b"Host:", b"Expect: 100-continue\r\nHost:"), id="an expectation"),
        pytest.param(PLAIN.replace(b"Host:", b"Connection: close\r\nHost:"), id="a last request"),
        pytest.param(PLAIN.replace(b"Host:", b"Upgrade: h2c\r\nHost:"), id="an upgrade"),
        pytest.param(PLAIN.replace(b"Host: ", b"Host : "), id="a blank before the colon"),
        pytest.param(PLAIN.replace(b"Host: ingress", b"Host: a\r\n b"), id="a folded line"),
        pytest.param(PLAIN.replace(b"\r\nHost", b"\nHost"), id="a bare line feed"),
        pytest.param(PLAIN.replace(b"ingress", b"in\x00gress"), id="a NUL"),
        pytest.param(
            PLAIN.replace(b"Host:", b"X-Signature-Ed25519: cd\r\nHost:"), id="two signatures"
        ),
        pytest.param(HEAD[:-4] + b"\r\nX: " + b"x" * 20_000, id="a head without an end"),
    ],
)  # fmt: skip
def test_any_other_form_is_left_to_the_whole_parser(data):
    assert seen(data) == FOREIGN


pieces = st.sampled_from(
    [
        *(b"", b"\r\n", b"\n", b" ", b"\t", b":", b"7", b"0", b"-", b"\x00", b"\x0b", b"\x80", b"chunked"),
        *(b"Host: x\r\n", b"Content-Length: 7\r\n", b"Transfer-Encoding: chunked\r\n", b"GET / HTTP/1.1"),
        b"Connection: keep-alive\r\n",
    ]
)
edits = st.lists(st.tuples(st.integers(0, len(PLAIN)), st.integers(0, 12), pieces), max_size=3)


@given(edits)
@example([(len(HEAD) - 2, 0, b"Connection: keep-alive\r\n")])
def test_what_is_taken_for_plain_the_whole_parser_reads_alike(changes):
    data = PLAIN
    for at, gone, piece in changes:
        data = data[:at] + piece + data[at + gone :]
    found = seen(data)
    if not isinstance(found, Arrival):
        return
    whole = h11.Connection(h11.SERVER)
    whole.receive_data(data)
    request = whole.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.target) == (b"POST", b"/discord-interactions")
    assert dict(request.headers) == found.headers
    body = b""
    while isinstance(event := whole.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert body == found.body
    assert whole.trailing_data[0] == data[found.size :]


def test_an_answer_is_read_by_the_whole_parser():
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="POST", target="/", headers=[("host", "a"), ("content-length", "0")]))
    client.send(h11.EndOfMessage())
    client.receive_data(head(401, [(b"date", b"x"), (b"content-type", b"text/plain")], length=2) + b"no")
    answer = client.next_event()
    assert answer.status_code == 401
    assert dict(answer.headers) == {b"date": b"x", b"content-type": b"text/plain", b"content-length": b"2"}
    assert client.next_event().data == b"no"

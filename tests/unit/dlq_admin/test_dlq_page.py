import re

import pytest
from support.dead_letters import headers, record
from support.dlq_console import ORIGIN, console

from dlq_admin.sessions import Session
from posta.errors import Transient

pytestmark = pytest.mark.slow

SCRIPT = "<script>alert(1)</script>"
BREAKOUTS = (
    SCRIPT,
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{7*7}}",
)


async def test_nobody_sees_anything_without_signing_in():
    async with console() as given:
        await given.index(record())
        answers = [await given.client.get(path) for path in ("/", "/dead-letters/1", "/?group=notifier")]
        posted = await given.client.post("/dead-letters/1/replay", headers={"origin": ORIGIN})
    assert {answer.status_code for answer in answers} == {303}
    assert answers[1].headers["location"] == "/login?next=%2Fdead-letters%2F1"
    assert posted.headers["location"].startswith("/login")
    assert given.published == []


async def test_signing_in_needs_a_known_key_with_the_scope_to_read():
    async with console() as given:
        unknown = await given.client.post("/login", data={"key": "posta_no"}, headers={"origin": ORIGIN})
        publisher = await given.sign_in("publisher")
        admin = await given.sign_in()
        page = await given.client.get("/")
    assert (unknown.status_code, publisher.status_code, admin.status_code) == (401, 403, 303)
    assert page.status_code == 200
    assert "Signed in as <b>admin</b>" in page.text
    assert given.keys["admin"] not in page.text


async def test_a_stored_key_signs_in_at_once_and_its_sessions_end_when_it_is_revoked():
    async with console() as given:
        key = given.stored.create("ana", "dlq:read")
        signed_in = await given.client.post("/login", data={"key": key}, headers={"origin": ORIGIN})
        page = await given.client.get("/")
        given.stored.rows = ()
        await given.ring.refresh()
        revoked = await given.client.get("/")
        again = await given.client.get("/")
    assert (signed_in.status_code, page.status_code) == (303, 200)
    assert "Signed in as <b>ana</b>" in page.text
    assert {answer.headers["location"] for answer in (revoked, again)} == {"/login?next=%2F"}


@pytest.mark.parametrize(
    ("origin", "public_url", "cookie"),
    [
        ("http://console.test", None, "posta_dlq=.*; HttpOnly; Path=/; SameSite=strict$"),
        ("https://console.test", None, "__Host-posta_dlq=.*; HttpOnly; Path=/; SameSite=strict; Secure$"),
        (
            "http://console.test",
            "https://dlq.example.org",
            "__Host-posta_dlq=.*; HttpOnly; Path=/; SameSite=strict; Secure$",
        ),
    ],
)
async def test_the_cookie_is_out_of_reach_and_secure_over_https(origin, public_url, cookie):
    more = {"POSTA_CONSOLE__PUBLIC_URL": public_url} if public_url else {}
    async with console(origin=origin, **more) as given:
        answer = await given.client.post(
            "/login", data={"key": given.keys["admin"]}, headers={"origin": public_url or origin}
        )
    assert re.match(cookie, answer.headers.get_list("set-cookie")[-1])


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
        {"origin": ORIGIN, "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
async def test_a_post_from_elsewhere_is_refused_even_with_the_token(sent):
    async with console() as given:
        await given.index(record())
        await given.sign_in()
        token = await given.csrf()
        for path in (
            "/dead-letters/1/replay",
            "/dead-letters/1/discard",
            "/alike/discard",
            "/logout",
            "/login",
        ):
            answer = await given.client.post(path, data={"csrf": token, "reason": "x"}, headers=sent)
            assert answer.status_code == 403
    assert given.published == []


@pytest.mark.parametrize("token", ["", "wrong", "\u00e9"])
async def test_a_post_without_the_session_s_token_is_refused(token):
    async with console() as given:
        await given.index(record())
        await given.sign_in()
        answer = await given.client.post(
            "/dead-letters/1/replay", data={"csrf": token}, headers={"origin": ORIGIN}
        )
    assert answer.status_code == 403
    assert given.published == []


async def test_a_viewer_sees_no_buttons_and_cannot_post(monkeypatch):
    async with console() as given:
        await given.index(record())
        await given.sign_in("viewer")
        page = (await given.client.get("/dead-letters/1")).text
        monkeypatch.setattr(Session, "owns", lambda _self, _csrf: True)
        answer = await given.client.post("/dead-letters/1/replay", headers={"origin": ORIGIN})
    assert 'data-testid="replay"' not in page
    assert answer.status_code == 403
    assert given.published == []


async def test_replaying_on_the_page_says_what_happened_once():
    async with console() as given:
        await given.index(record())
        await given.sign_in()
        data = {"csrf": await given.csrf(), "reason": "provider is back"}
        answer = await given.client.post("/dead-letters/1/replay", data=data, headers={"origin": ORIGIN})
        after = (await given.client.get(answer.headers["location"])).text
        later = (await given.client.get("/dead-letters/1")).text
        again = await given.client.post("/dead-letters/1/replay", data=data, headers={"origin": ORIGIN})
    assert len(given.published) == 1
    assert "it is on llm-worker.retry.5s now" in after
    assert 'data-testid="flash"' not in later
    assert "provider is back" in later
    assert again.status_code == 409
    assert 'data-testid="problem"' in again.text


async def test_the_page_offers_from_scratch_for_questions_only_and_says_what_it_costs():
    async with console() as given:
        await given.index(record(), record(1, topic="notifier.dlq"))
        await given.sign_in()
        question = (await given.client.get("/dead-letters/1")).text
        delivery = (await given.client.get("/dead-letters/2")).text
        data = {"csrf": await given.csrf(), "from_scratch": "yes"}
        await given.client.post("/dead-letters/1/replay", data=data, headers={"origin": ORIGIN})
    assert "this is paid for again" in question
    assert 'data-testid="from-scratch"' not in delivery
    assert ("posta-from-scratch", b"dead letter 1, replay 1") in given.published[0][1].headers


async def test_the_page_says_that_kafka_is_away():
    async with console() as given:
        await given.index(record())
        await given.sign_in()
        given.kafka_fault = Transient("no answer")
        await given.client.post(
            "/dead-letters/1/replay", data={"csrf": await given.csrf()}, headers={"origin": ORIGIN}
        )
        page = (await given.client.get("/dead-letters/1")).text
    assert "Kafka has not confirmed the replay yet" in page


async def test_discarding_on_the_page_needs_a_reason():
    async with console() as given:
        await given.index(record())
        await given.sign_in()
        data = {"csrf": await given.csrf()}
        without = await given.client.post("/dead-letters/1/discard", data=data, headers={"origin": ORIGIN})
        answer = await given.client.post(
            "/dead-letters/1/discard", data={**data, "reason": "a test"}, headers={"origin": ORIGIN}
        )
        page = (await given.client.get(answer.headers["location"])).text
    assert without.status_code == 422
    assert "Dead letter 1 was discarded." in page


async def test_equal_failures_are_decided_together_and_others_stay():
    async with console() as given:
        await given.index(record(0), record(1), record(2, headers=headers(posta_fingerprint="other")))
        await given.sign_in()
        path = "/?fingerprint=0123456789abcdef&group=llm-worker"
        page = (await given.client.get(path)).text
        assert "Replay 2" in page
        data = {
            "csrf": await given.csrf(path),
            "fingerprint": "0123456789abcdef",
            "group": "llm-worker",
            "reason": "old",
        }
        await given.client.post("/alike/discard", data=data, headers={"origin": ORIGIN})
        left = (await given.client.get("/")).text
        nothing = await given.client.post(
            "/alike/discard", data={**data, "fingerprint": ""}, headers={"origin": ORIGIN}
        )
    assert "2 dead letters were discarded." in left
    assert left.count('data-testid="dead-letter"') == 1
    assert nothing.status_code == 422


@pytest.mark.parametrize("attack", BREAKOUTS)
async def test_nothing_a_dead_letter_brings_becomes_markup(attack):
    hostile = headers(
        ce_id=attack,
        ce_type=attack,
        posta_reason=attack,
        posta_exception_type=attack,
        posta_exception_message=attack + "!",
        posta_exception_stack=attack,
        posta_error_class=attack,
        posta_fingerprint=attack,
        posta_original_topic=attack,
        posta_service_version=attack,
        posta_group=attack,
        traceparent=attack,
    )
    hostile += ((attack, attack.encode()), ("ce_subject", attack.encode()))
    async with console(POSTA_TRACE_URL_TEMPLATE="http://jaeger.test/trace/{trace_id}") as given:
        for offset, value in enumerate(
            (attack.encode(), b'{"%s": "x"}' % attack.encode(), b"\xff" + attack.encode())
        ):
            await given.index(record(offset, key=attack.encode(), value=value, headers=hostile))
        await given.sign_in()
        token = await given.csrf()
        await given.client.post(
            "/dead-letters/1/replay", data={"csrf": token, "reason": attack}, headers={"origin": ORIGIN}
        )
        paths = ["/?state=any", "/dead-letters/1", "/dead-letters/2", "/dead-letters/3"]
        paths += [
            f"/?q={attack}",
            f"/?fingerprint={attack}&group={attack}&state=any",
            f"/login?next={attack}",
        ]
        pages = [(await given.client.get(path.replace("#", "%23"))).text for path in paths]
        refused = await given.client.post(
            "/login", data={"key": attack, "next": attack}, headers={"origin": ORIGIN}
        )
    for page in [*pages, refused.text]:
        assert "<img src=x" not in page
        assert "alert(1)</script>" not in page
        assert not re.search(r"""(href|src|action)=["']?javascript:""", page)
        assert not re.search(r"<[^>]*\son\w+\s*=\s*'alert", page.replace("&#39;", ""))
        assert ">49<" not in page
        # What is in a tag is only what the template wrote: scripts are one file of ours.
        assert re.findall(r"<script[^>]*>", page) == ['<script src="/static/console.js" defer>']


async def test_every_answer_forbids_what_no_page_needs():
    async with console() as given:
        await given.sign_in()
        answers = [
            await given.client.get(path)
            for path in ("/", "/login", "/static/console.css", "/v1/dead-letters", "/health/live", "/nothing")
        ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "style=" not in answer.text


async def test_the_trace_is_linked_where_traces_are_looked_at():
    async with console(POSTA_TRACE_URL_TEMPLATE="http://jaeger.test/trace/{trace_id}") as given:
        await given.index(record())
        await given.sign_in()
        page = (await given.client.get("/dead-letters/1")).text
    assert 'href="http://jaeger.test/trace/4bf92f3577b34da6a3ce929d0e0e4736"' in page


@pytest.mark.parametrize(
    "path", ["/dead-letters/9", "/dead-letters/x", "/?limit=0", "/?q=%00", "/static/no.js"]
)
async def test_errors_are_pages_too(path):
    async with console() as given:
        await given.sign_in()
        answer = await given.client.get(path)
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"].startswith("text/html")
    assert 'data-testid="problem"' in answer.text


@pytest.mark.parametrize(
    ("next_page", "where"),
    [
        ("/dead-letters/7", "/dead-letters/7"),
        ("//evil.test", "/"),
        ("https://evil.test", "/"),
        ("/\\evil", "/"),
    ],
)
async def test_signing_in_leads_to_our_own_pages_only(next_page, where):
    async with console() as given:
        answer = await given.client.post(
            "/login", data={"key": given.keys["admin"], "next": next_page}, headers={"origin": ORIGIN}
        )
    assert answer.headers["location"] == where


async def test_signing_out_ends_the_session():
    async with console() as given:
        await given.sign_in()
        kept = dict(given.client.cookies)
        await given.client.post("/logout", headers={"origin": ORIGIN})
        given.client.cookies.update(kept)
        answer = await given.client.get("/")
    assert answer.status_code == 303


async def test_a_payload_larger_than_is_sensible_is_refused():
    async with console() as given:
        answer = await given.client.post("/login", data={"key": "x" * 200_000}, headers={"origin": ORIGIN})
    assert answer.status_code == 413


async def test_held_keys_are_found_on_the_page_and_released_there():
    async with console() as given:
        await given.index(record(0, headers=headers(posta_holds_key="1")), record(1))
        await given.sign_in()
        found = (await given.client.get("/?held=true&group=llm-worker")).text
        page = (await given.client.get("/dead-letters/1")).text
        other = (await given.client.get("/dead-letters/2")).text
        form = {"csrf": await given.csrf(), "reason": "the others must go on"}
        sent = {"data": form, "headers": {"origin": ORIGIN}}
        answer = await given.client.post("/dead-letters/1/release", **sent)
        releasing = (await given.client.get("/dead-letters/1")).text
        await given.redrive._round()
        released = (await given.client.get("/dead-letters/1")).text
        left = (await given.client.get("/?held=true")).text
    assert 'data-id="1"' in found
    assert 'data-id="2"' not in found
    assert "holds its key" in found
    assert 'data-testid="release"' in page
    assert 'data-testid="key-hold"' not in other
    assert answer.status_code == 303
    assert "is being released" in releasing
    assert "The key was released" in released
    assert 'data-testid="empty"' in left
    assert len(given.published) == 1


async def test_a_viewer_sees_that_a_key_is_held_and_cannot_release_it():
    async with console() as given:
        await given.index(record(headers=headers(posta_holds_key="1")))
        await given.sign_in("viewer")
        page = (await given.client.get("/dead-letters/1")).text
    assert 'data-testid="key-hold"' in page
    assert 'data-testid="release"' not in page

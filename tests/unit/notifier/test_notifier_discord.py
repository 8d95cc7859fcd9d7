import asyncio
import json

import httpx
import pytest
from support.limits import own_limits

from notifier.discord.discord import Discord
from notifier.discord.endpoint import webhook_of
from notifier.refusals import ContentRefused, OutcomeUnknown, TargetGone
from posta.errors import NotNow, Transient

HOOK = webhook_of("https://discord.com/api/webhooks/1/a-webhook-secret").post()
LIMITS = {
    "X-RateLimit-Limit": "5",
    "X-RateLimit-Remaining": "4",
    "X-RateLimit-Reset": "1000",
    "X-RateLimit-Reset-After": "2",
}


class FakeDiscord:
    """Answers each request with the next of its script; an exception is raised as httpx would."""

    def __init__(self, *script):
        self.script = list(script)
        self.requests = []
        self.now = 100.0
        self.discord = Discord(
            httpx.AsyncClient(transport=httpx.MockTransport(self._answer)),
            own_limits(clock=lambda: self.now),
            timeout_s=0.2,
        )

    async def _answer(self, request):
        self.requests.append(request)
        step = self.script.pop(0) if self.script else httpx.Response(200, json={"id": "7"}, headers=LIMITS)
        if isinstance(step, Exception):
            raise step
        if step == "hang":
            await asyncio.sleep(5)
        return step


async def test_a_call_sends_json_and_returns_what_was_saved():
    fake = FakeDiscord()
    answer = await fake.discord.call(HOOK, {"content": "¡Hola!"})
    (request,) = fake.requests
    assert json.loads(request.content) == {"content": "¡Hola!"}
    assert request.headers["content-type"] == "application/json"
    assert answer.body == {"id": "7"}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (httpx.ConnectError("refused"), Transient),
        (httpx.ConnectTimeout("slow"), Transient),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
        (httpx.ReadError("reset"), OutcomeUnknown),
        (httpx.WriteError("reset"), OutcomeUnknown),
        (httpx.RemoteProtocolError("gone"), OutcomeUnknown),
        ("hang", OutcomeUnknown),
        (httpx.Response(503), OutcomeUnknown),
        (httpx.Response(404, json={"code": 10015, "message": "Unknown Webhook"}), TargetGone),
        (httpx.Response(400, json={"code": 50006, "message": "Empty"}), ContentRefused),
        (httpx.Response(400, json={"code": 130000, "message": "Overloaded"}), Transient),
    ],
)
async def test_each_end_of_a_call_is_the_failure_it_means(step, expected):
    fake = FakeDiscord(step)
    with pytest.raises(expected) as caught:
        await fake.discord.call(HOOK, {})
    assert type(caught.value) is expected
    assert "secret" not in str(caught.value)


async def test_a_closed_bucket_gets_no_request_until_it_opens():
    fake = FakeDiscord(httpx.Response(429, json={"retry_after": 3.5}, headers={"Retry-After": "4"}))
    with pytest.raises(NotNow) as caught:
        await fake.discord.call(HOOK, {})
    assert caught.value.wait_s == 4
    fake.now += 3.9
    with pytest.raises(NotNow) as caught:
        await fake.discord.call(HOOK, {})
    assert caught.value.wait_s == pytest.approx(0.1)
    with pytest.raises(NotNow):
        fake.discord.check_open(HOOK)
    assert len(fake.requests) == 1
    fake.now += 0.2
    await fake.discord.call(HOOK, {})
    assert len(fake.requests) == 2


async def test_a_used_up_bucket_is_not_called_even_though_the_last_call_went_well():
    fake = FakeDiscord(httpx.Response(200, headers={**LIMITS, "X-RateLimit-Remaining": "0"}))
    await fake.discord.call(HOOK, {})
    with pytest.raises(NotNow):
        await fake.discord.call(HOOK, {})
    assert len(fake.requests) == 1


async def test_a_block_without_a_time_closes_everything_for_a_minute_and_longer():
    fake = FakeDiscord(httpx.Response(429, text="<html>1015"), httpx.Response(429, text="<html>1015"))
    other = webhook_of("https://discord.com/api/webhooks/2/b").post()
    for expected in (60, 120):
        with pytest.raises(NotNow) as caught:
            await fake.discord.call(HOOK, {})
        assert caught.value.wait_s == expected
        with pytest.raises(NotNow):
            fake.discord.check_open(other)
        fake.now += expected
    fake.discord.check_open(other)


async def test_a_failed_call_does_not_hold_its_bucket():
    fake = FakeDiscord(httpx.ReadError("reset"), "hang")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await fake.discord.call(HOOK, {})
    await fake.discord.call(HOOK, {})
    assert len(fake.requests) == 3

"""Suggestions from elsewhere: asked in the background, kept while the other side fails."""

import gzip

import httpx
import pytest
import yaml
from support.ingress_rig import CONFIG

from ingress.commands.rules import Commands
from ingress.interactions.providers import Suggesters, choices_of
from posta.errors import Malformed

URL = "https://lists.example/topics"


def commands(*urls):
    file = yaml.safe_load((CONFIG / "commands.yaml").read_text())
    words = {"en": "a", "es": "b"}
    file["commands"]["docs"]["options"] = [
        {"name": f"o{n}", "type": "string", "description": words, "suggest": {"provider": {"url": url}}}
        for n, url in enumerate(urls)
    ]
    file["commands"]["docs"]["action"]["question"] = "x"
    return Commands.model_validate(file)


def suggesters(*urls):
    made = Suggesters()
    made.use(commands(*urls))
    return made


async def refreshed(made, answer):
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        for provider in made._providers.values():
            await made.refresh(client, provider)
    return {url: [choice.value for choice in known] for url, known in made.lists.items()}


async def test_a_providers_list_is_kept():
    found = await refreshed(
        suggesters(URL), lambda _: httpx.Response(200, json=["a", {"name": "B", "value": 2}])
    )
    assert found == {URL: ["a", 2]}


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: httpx.Response(503),
        lambda _: httpx.Response(200, text="no JSON"),
        lambda _: httpx.Response(200, json={"a": 1}),
        lambda _: httpx.Response(200, json=[1, 2]),
        lambda _: httpx.Response(200, content=b"[" + b'"x",' * 400_000 + b'"x"]'),
        lambda _: httpx.Response(
            200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(gzip.compress(b'["x"]'))
        ),
    ],
    ids=["fails", "no JSON", "no list", "no choices", "too much", "compressed"],
)
async def test_while_a_provider_fails_its_last_list_stays(answer):
    made = suggesters(URL)
    await refreshed(made, lambda _: httpx.Response(200, json=["kept"]))
    assert await refreshed(made, answer) == {URL: ["kept"]}


async def test_a_provider_that_cannot_be_reached_leaves_no_list():
    def refuse(request):
        raise httpx.ConnectError("refused", request=request)

    assert await refreshed(suggesters(URL), refuse) == {}


async def test_a_reload_forgets_the_lists_of_providers_that_are_gone():
    made = suggesters(URL, "https://other.example/")
    await refreshed(made, lambda _: httpx.Response(200, json=["x"]))
    made.use(commands(URL))
    assert set(made.lists) == {URL}


def test_names_may_be_in_both_languages_and_are_cut_to_what_discord_shows():
    (both, long) = choices_of(
        [{"name": {"en": "One", "es": "Uno"}, "value": 1}, {"name": "x" * 150, "value": 2}]
    )
    assert (both.name("en"), both.name("es")) == ("One", "Uno")
    assert len(long.name("en")) == 100


def test_a_value_that_discord_would_not_take_is_left_out():
    assert [choice.value for choice in choices_of(["fits", "x" * 101])] == ["fits"]


@pytest.mark.parametrize("answer", [None, {}, "x", [None], [{"name": "x"}], [{"value": 1}]])
def test_another_form_is_refused(answer):
    with pytest.raises(Malformed):
        choices_of(answer)

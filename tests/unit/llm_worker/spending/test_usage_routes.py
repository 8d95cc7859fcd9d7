"""Who may see what was spent and who may forget shared answers, and what a wrong request hears."""

from datetime import date
from decimal import Decimal

import httpx
import pytest
from fastapi import FastAPI
from support.llm_asking import lineup

from llm_worker.spending.report import By, Line, UsageReport
from llm_worker.spending.routes import usage_router
from posta.auth import ApiKeys, describe_key, new_key
from posta.errors import Unavailable
from posta.http.problem import install_problem_details

SECRETS = {"reader": new_key(), "operator": new_key()}
KEYS = ApiKeys.parse(
    ",".join(
        describe_key(key, name="ops", scopes=frozenset({scope}))
        for key, scope in ((SECRETS["reader"], "engine:read"), (SECRETS["operator"], "engine:operate"))
    )
)


class Store:
    """Stands for the books and for the cache."""

    def __init__(self, *, away=False):
        self.away = away
        self.asked = []

    async def read(self, wanted, rules, *, currency):
        self._reach()
        self.asked.append((wanted, rules.time_zone, currency))
        day = date(2026, 1, 7)
        total = Line(
            name="", calls=1, uncalled=0, tokens_in=5, tokens_cached=0, tokens_out=2,
            cost=Decimal("0.10"), wasted=Decimal(0), under_way=Decimal(0),
        )  # fmt: skip
        return UsageReport(
            currency=currency, time_zone=rules.time_zone, first=day, last=day, by=wanted.by,
            total=total, saved={}, saved_cost=Decimal(0), lines=(total,), budgets=(),
        )  # fmt: skip

    async def clear(self, *, scope=None):
        self._reach()
        self.asked.append(scope)
        return 3

    def _reach(self):
        if self.away:
            raise Unavailable("postgres", "away")


async def call(method, path, *, key="reader", store=None):
    store = store or Store()
    rules = lineup(
        "models: {main: {provider: main, price: {currency: EUR}}}\nbudget: {time_zone: Europe/Madrid}"
    )
    app = FastAPI()
    install_problem_details(app)
    app.include_router(usage_router(store, store, lambda: rules, KEYS))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
        headers = {"authorization": f"Bearer {SECRETS[key]}"} if key else {}
        return await client.request(method, path, headers=headers), store


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", "/admin/usage", None, 401),
        ("GET", "/admin/usage", "operator", 403),
        ("DELETE", "/admin/cache", None, 401),
        ("DELETE", "/admin/cache", "reader", 403),
    ],
)
async def test_only_keys_with_the_scope_are_let_in(method, path, key, status):
    answer, store = await call(method, path, key=key)
    assert answer.status_code == status
    assert store.asked == []


async def test_a_question_is_passed_on_with_the_rules_of_now():
    answer, store = await call("GET", "/admin/usage?by=tenant&days=3&tenant=guild:1&limit=5")
    assert answer.status_code == 200
    ((wanted, zone, currency),) = store.asked
    assert (wanted.by, wanted.days, wanted.tenant, wanted.limit) == (By.TENANT, 3, "guild:1", 5)
    assert (zone, currency) == ("Europe/Madrid", "EUR")
    assert answer.json()["total"]["cost"] == "0.10", "money is a text: a number would lose digits"


@pytest.mark.parametrize(
    "query", ["by=person", "days=0", "days=99999", "limit=0", "first=yesterday", "tenant=%00", "colour=red"]
)
async def test_a_wrong_question_is_refused(query):
    answer, store = await call("GET", f"/admin/usage?{query}")
    assert answer.status_code in {400, 422}
    assert store.asked == []


async def test_days_the_wrong_way_round_are_refused():
    answer, _ = await call("GET", "/admin/usage?first=2026-02-01&last=2026-01-01")
    assert answer.status_code == 400
    assert "wrong way round" in answer.json()["title"]


@pytest.mark.parametrize("path", ["/admin/cache", "/admin/cache?scope=guild:1"])
async def test_shared_answers_are_forgotten_by_scope_or_all(path):
    answer, store = await call("DELETE", path, key="operator")
    assert answer.json() == {"cleared": 3}
    assert store.asked == [None if path == "/admin/cache" else "guild:1"]


@pytest.mark.parametrize(
    ("method", "path", "key"), [("GET", "/admin/usage", "reader"), ("DELETE", "/admin/cache", "operator")]
)
async def test_while_postgresql_is_away_that_is_said(method, path, key):
    answer, _ = await call(method, path, key=key, store=Store(away=True))
    assert answer.status_code == 503
    assert "PostgreSQL" in answer.json()["detail"]

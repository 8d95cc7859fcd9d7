"""What `posta llm usage` prints."""

import pytest

from posta_cli.usage_table import money, usage_lines

LINE = {
    "name": "guild:1", "calls": 3, "uncalled": 2, "tokens_in": 900, "tokens_cached": 100,
    "tokens_out": 80, "cost": "0.0123", "wasted": "0.001", "under_way": "0",
}  # fmt: skip
REPORT = {
    "currency": "EUR", "time_zone": "UTC", "first": "2026-01-01", "last": "2026-01-07", "by": "tenant",
    "total": {**LINE, "name": ""}, "lines": [LINE], "saved": {"faq": 1, "cache": 1}, "saved_cost": "0.008200",
    "budgets": [
        {"tenant": "guild:1", "share": 0.97, "refused": 4},
        {"tenant": "guild:2", "share": None, "refused": 0},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "0.00"), ("1.5", "1.50"), ("0.0123", "0.0123"), ("0.00000075", "0.000001"), ("1E-9", "0.00")],
)
def test_money_has_two_digits_at_least_and_six_at_most(amount, shown):
    assert money(amount) == shown


def test_the_report_names_days_lines_savings_and_budgets():
    assert usage_lines(REPORT) == [
        "2026-01-01 to 2026-01-07, days of UTC, money in EUR.",
        "",
        "tenant   calls  without a call  tokens in  cached  tokens out    cost  in vain",
        "guild:1      3               2        900     100          80  0.0123    0.001",
        "all          3               2        900     100          80  0.0123    0.001",
        "",
        "Answers without a call: 1 cache, 1 faq; saved about 0.0082 EUR.",
        "",
        "Budgets of today:",
        "  guild:1: 97% used, 4 questions not asked",
    ]

"""PURE: a span of time as people type it: `90d`, `12h`, `30m`, `0s`."""

import re
from datetime import timedelta

from posta_cli.errors import CommandError

_FORM = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_time_span(text: str) -> timedelta:
    """Return the span. Raises CommandError when `text` is none."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise CommandError(
            f"{text!r:.40} is no span of time.", "Write a number and s, m, h or d, such as 90d."
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})

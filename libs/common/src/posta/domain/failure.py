"""The story of a record's failures, as headers that travel with it through lanes and into the DLQ.

The original value and headers are never touched: these are added behind them, and replace the ones
of the attempt before. An admin, or any tool that reads Kafka headers, can tell from them where the
record came from, what happened to it, and which other dead letters failed in the same way.
"""

import hashlib
import math
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace

from posta.domain.envelope import Headers
from posta.domain.redaction import redact
from posta.domain.retry import ErrorClass

PREFIX = "posta-"
FROM_SCRATCH = "posta-from-scratch"
"""Names the replay whose question llm-worker answers anew, once for that name."""
_STACK_FRAMES = 6
_MESSAGE_CHARS = 1000


@dataclass(slots=True, kw_only=True)
class Origin:
    """Where a record was first read by the group that failed on it.

    Not to be changed, like ``Delivery``; neither is frozen because making a frozen one takes three
    times as long, and both are made for each record that is decoded.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


@dataclass(slots=True, kw_only=True)
class Delivery:
    """What a record's headers say of its way so far. Not to be changed: see ``Origin``."""

    origin: Origin
    attempt: int
    """Which attempt the next handling is; 1 for a record fresh from its source."""
    first_failure_ms: int | None = None
    last_failure_ms: int | None = None
    not_before: float = 0.0
    """Seconds since the epoch before which it must not be handled; 0: at once."""
    lane_due: float = 0.0
    """Seconds since the epoch at which it gets off its lane; 0: it rides none."""
    redrive: int = 0
    """How often an admin has replayed it; each replay starts with attempt 1."""
    place: int | None = None
    """Ordered retries: its place in the line of its key; None until it first rides a lane."""
    rides: int = 0
    """Ordered retries: how many lanes it has been published to; the copy with the most is the record."""
    stand_in: bool = False
    """Ordered retries: it is no record but the mark of a dead letter that holds its key."""
    release: bool = False
    """Ordered retries: it is no record but an admin's word that a dead letter holds its key no longer."""
    previous_span: str | None = None
    """The ``traceparent`` of the handling before this one, where that was recorded."""


def read_delivery(
    *, topic: str, partition: int, offset: int, timestamp_ms: int, headers: Headers
) -> Delivery:
    """What the headers of a fetched record say; a fresh record is its own origin, at attempt 1.

    Headers that are no numbers count as absent: a hostile record cannot stop the engine here.
    """
    here = Origin(topic=topic, partition=partition, offset=offset, timestamp_ms=timestamp_ms)
    # The last one of a name counts, as everywhere.
    story = {name: value for name, value in headers if name.startswith(PREFIX)}
    if not story:
        return Delivery(origin=here, attempt=1)
    origin_topic = _text(story, "posta-original-topic")
    origin = here
    if origin_topic is not None:
        origin = Origin(
            topic=origin_topic,
            partition=_integer(story, "posta-original-partition", 0),
            offset=_integer(story, "posta-original-offset", 0),
            timestamp_ms=_integer(story, "posta-original-timestamp", timestamp_ms),
        )
    return Delivery(
        origin=origin,
        attempt=max(1, _integer(story, "posta-attempt", 1)),
        first_failure_ms=_integer(story, "posta-first-failure", 0) or None,
        last_failure_ms=_integer(story, "posta-last-failure", 0) or None,
        not_before=_integer(story, "posta-not-before", 0) / 1000,
        lane_due=_integer(story, "posta-lane-due", 0) / 1000,
        redrive=max(0, _integer(story, "posta-redrive", 0)),
        place=_integer(story, "posta-place", 0) if "posta-place" in story else None,
        rides=max(0, _integer(story, "posta-rides", 0)),
        stand_in="posta-stand-in" in story,
        release="posta-release" in story,
        previous_span=_text(story, "posta-previous-span"),
    )


def failed(delivery: Delivery, *, now: float) -> Delivery:
    """The delivery after a failure at ``now`` (seconds since the epoch)."""
    now_ms = int(now * 1000)
    return replace(delivery, first_failure_ms=delivery.first_failure_ms or now_ms, last_failure_ms=now_ms)


def delivery_headers(delivery: Delivery) -> dict[str, str]:
    """The headers that ``read_delivery`` reads back."""
    origin = delivery.origin
    headers = {
        "posta-original-topic": origin.topic,
        "posta-original-partition": str(origin.partition),
        "posta-original-offset": str(origin.offset),
        "posta-original-timestamp": str(origin.timestamp_ms),
        "posta-attempt": str(delivery.attempt),
    }
    if delivery.first_failure_ms:
        headers["posta-first-failure"] = str(delivery.first_failure_ms)
    if delivery.last_failure_ms:
        headers["posta-last-failure"] = str(delivery.last_failure_ms)
    headers["posta-not-before"] = str(_milliseconds(delivery.not_before))
    headers["posta-lane-due"] = str(_milliseconds(delivery.lane_due))
    if delivery.redrive:
        headers["posta-redrive"] = str(delivery.redrive)
    if delivery.place is not None:
        headers["posta-place"] = str(delivery.place)
    if delivery.rides:
        headers["posta-rides"] = str(delivery.rides)
    if delivery.stand_in:
        headers["posta-stand-in"] = "1"
    if delivery.release:
        headers["posta-release"] = "1"
    if delivery.previous_span:
        headers["posta-previous-span"] = delivery.previous_span
    return headers


def error_headers(
    error: BaseException,
    *,
    error_class: ErrorClass,
    reason: str,
    group: str,
    version: str,
    holds_key: bool = False,
) -> dict[str, str]:
    """What went wrong, for the admin: redacted, cut to a bounded size."""
    held = {"posta-holds-key": "1"} if holds_key else {}
    return held | {
        "posta-group": group,
        "posta-error-class": error_class.value,
        "posta-reason": redact(reason)[:_MESSAGE_CHARS],
        "posta-exception-type": type(error).__name__,
        "posta-exception-message": redact(str(error))[:_MESSAGE_CHARS],
        "posta-exception-stack": redact(short_stack(error)),
        "posta-fingerprint": fingerprint(error, group=group),
        "posta-service-version": version,
    }


def with_headers(original: Headers, added: dict[str, str]) -> Headers:
    """The original's own headers unchanged, then ``added``; Posta's of an earlier attempt drop out.

    An admin's wish that came with a replay stays: it holds for every attempt of that replay.
    """
    kept = tuple(
        (name, value) for name, value in original if not name.startswith(PREFIX) or name == FROM_SCRATCH
    )
    return kept + tuple((name, text.encode()) for name, text in added.items())


def fingerprint(error: BaseException, *, group: str) -> str:
    """16 hex digits that equal failures share: group, type, place and message without its numbers."""
    message = re.sub(r"[0-9a-fA-F]{8,}|\d+", "#", redact(str(error)))[:200]
    frames = traceback.extract_tb(error.__traceback__)
    place = frames[-1].name if frames else ""
    text = f"{group}\n{type(error).__name__}\n{place}\n{message}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def short_stack(error: BaseException) -> str:
    """The innermost frames of the error, one a line: file name, line, function; no source, no paths."""
    frames = traceback.extract_tb(error.__traceback__)[-_STACK_FRAMES:]
    return "\n".join(f"{_file_name(f.filename)}:{f.lineno} {f.name}" for f in frames)


def _milliseconds(moment: float) -> int:
    """Whole milliseconds, rounded up: a millisecond late is right, a millisecond early is not.

    Hundredths of a millisecond are cut first, so that a time that came from milliseconds stays what it was.
    """
    return math.ceil(round(moment * 1000, 2))


def _file_name(path: str) -> str:
    return "/".join(path.replace("\\", "/").split("/")[-2:])


def _text(story: Mapping[str, bytes], name: str) -> str | None:
    value = story.get(name)
    return None if value is None else value.decode("utf-8", "replace")


def _integer(story: Mapping[str, bytes], name: str, default: int) -> int:
    value = story.get(name)
    if value is None:
        return default
    try:
        number = int(value.decode("utf-8", "replace"))
    except ValueError:
        return default
    # Beyond 64 bits it was never one of ours, and a float may not hold it.
    return number if abs(number) < 1 << 63 else default

"""``posta-publish``: hand an event over from a shell script or cron, and never fail the script for it.

Exit codes: 0, whatever becomes of the event; with ``--strict`` 1 when it is neither sent nor kept.
2: the command line makes no sense.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from posta_client.event import Options
from posta_client.publisher import Publisher
from posta_client.receipt import Receipt, State
from posta_client.settings import Settings, from_environment
from posta_client.spool import SpoolError
from posta_client.words import WrongWord, data_of

_EPILOG = """\
TYPE is what happened, such as backup.failed; data are key=value (text), key:=JSON, or --data FILE.
  posta-publish backup.failed host=db1 size_gb:=12.5 error="disk full" --thread-key backup/db1
  posta-publish drain            send what is kept on this machine
  posta-publish status           show what is kept
The address and the key come from POSTA_URL and POSTA_API_KEY (or POSTA_API_KEY_FILE).
"""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    settings = from_environment()
    match given[:1]:
        case ["drain"]:
            return _drain(settings, given[1:])
        case ["status"]:
            return _status(settings, given[1:])
        case _:
            return _publish(settings, given)


def _publish(settings: Settings, given: list[str]) -> int:
    parser = _parser()
    asked = parser.parse_intermixed_args(given)
    try:
        data = _file(asked.data) | data_of(asked.words)
        options = Options(
            destination=asked.destination,
            source=asked.source,
            subject=asked.subject,
            id=asked.id,
            deliver_at=_moment(asked.deliver_at),
            expires_at=_moment(asked.expires_at),
            priority=asked.priority,
            dedupe_key=asked.dedupe_key,
            thread_key=asked.thread_key,
        )
    except (WrongWord, OSError, ValueError) as exc:
        parser.error(str(exc))
    settings = replace(settings, budget_s=asked.budget or settings.budget_s)
    with Publisher(settings) as publisher:
        receipt = publisher.publish(asked.type, data, options)
    _tell(receipt, quiet=asked.quiet)
    return 1 if asked.strict and not receipt.is_safe else 0


def _drain(settings: Settings, given: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="posta-publish drain", description="Send what is kept, oldest first."
    )
    parser.add_argument("--budget", type=float, default=60.0, help="seconds it may take (60)")
    parser.add_argument("--refused", action="store_true", help="also what Posta refused before")
    asked = parser.parse_args(given)
    try:
        with Publisher(settings) as publisher:
            publisher.outbox.end_pause()
            if asked.refused:
                publisher.outbox.requeue_refused()
            sent = publisher.drain(budget_s=asked.budget)
            left = publisher.contents()
    except SpoolError as exc:
        print(f"posta-publish: {exc}", file=sys.stderr)
        return 1
    print(f"{sent} sent, {left.waiting} waiting, {left.refused} refused")
    return 1 if left.waiting else 0


def _status(settings: Settings, given: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="posta-publish status", description="Show what is kept.")
    parser.parse_args(given)
    try:
        with Publisher(settings) as publisher:
            held, refusals = publisher.contents(), publisher.outbox.refusals()
    except SpoolError as exc:
        print(f"posta-publish: {exc}", file=sys.stderr)
        return 1
    oldest = (
        ""
        if held.oldest_at is None
        else datetime.fromtimestamp(held.oldest_at, UTC).isoformat("T", "seconds")
    )
    print(f"spool    {settings.spool}")
    print(f"waiting  {held.waiting}{f', the oldest since {oldest}' if oldest else ''}")
    print(f"refused  {held.refused}")
    print(f"bytes    {held.bytes}")
    for event_id, reason in refusals:
        print(f"  {event_id}  {reason}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="posta-publish",
        description="Hand an event over to Posta.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("type", metavar="TYPE")
    parser.add_argument("words", metavar="key=value", nargs="*")
    parser.add_argument("--data", metavar="FILE", help="a JSON object; '-' is standard input")
    parser.add_argument("--destination", help="where it is shown")
    parser.add_argument("--source", help="what it happened to or in")
    parser.add_argument("--subject", help="which part of the source")
    parser.add_argument("--id", help="the same id again is the same event")
    parser.add_argument("--deliver-at", help="not before: RFC 3339, or from now: 10m, 2h, 1d")
    parser.add_argument("--expires-at", help="not after; the same forms")
    parser.add_argument("--priority", choices=["low", "normal", "high"])
    parser.add_argument("--dedupe-key", help="a repetition is counted on the message that is there")
    parser.add_argument("--thread-key", help="a later event with it edits the message of this one")
    parser.add_argument("--budget", type=float, help="seconds it may take (2)")
    parser.add_argument("--strict", action="store_true", help="exit 1 when it is neither sent nor kept")
    parser.add_argument("--quiet", action="store_true", help="say nothing unless the event is lost")
    return parser


def _file(name: str | None) -> dict[str, object]:
    if name is None:
        return {}
    text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    found = json.loads(text)
    if not isinstance(found, dict):
        raise WrongWord(f"{name}: must hold a JSON object")
    return found


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    if text[-1:] in _UNITS and text[:-1].isdecimal():
        return datetime.now(UTC) + timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])
    return datetime.fromisoformat(text)


def _tell(receipt: Receipt, *, quiet: bool) -> None:
    reason = f" ({receipt.reason})" if receipt.reason else ""
    if receipt.is_safe:
        if not quiet:
            shown = receipt.posta_id if receipt.state is State.SENT and receipt.posta_id else receipt.id
            print(f"{receipt.state} {shown}{reason}")
    else:
        print(f"posta-publish: {receipt.state} {receipt.id}{reason}", file=sys.stderr)


def run() -> None:
    """The entry point of ``posta-publish``."""
    sys.exit(main())


if __name__ == "__main__":
    run()

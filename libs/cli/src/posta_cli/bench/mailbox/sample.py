"""A shop's mailbox for a benchmark: whole mails as they come in, made from a seed. PURE.

    40 %  frequent questions (shipping, payment, returns, sizes, stock), some in words no FAQ foresees
    20 %  about products, some of them popular and so asked about again and again
    25 %  about the person's own order
    15 %  follow-ups: a second or third mail of a thread, with what was said before quoted below

Two thirds are in Spanish. Most mails have a greeting, a closing or a signature; those are noise to an answer.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime

from posta.domain.language import Language
from posta_cli.bench.mailbox import phrases
from posta_cli.bench.mailbox.goods import GOODS
from posta_cli.bench.mailbox.phrases import Kind

SHARES: dict[Kind, float] = {"frequent": 0.40, "product": 0.20, "order": 0.25, "follow_up": 0.15}
ACCOUNT = "tienda@posta.test"
_SPANISH = 2 / 3
_FIRST_AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_HOURS = 2.0
_SIZES = ("XS", "S", "M", "L", "XL")
_POPULAR = 6
"""So many products are asked about as often as all others together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail of the sample."""

    uid: int
    kind: Kind
    language: Language
    thread: int
    """The ``uid`` of its thread's first mail."""
    subject: str
    body: str
    """All of it: greeting, question, closing, signature and quotes."""
    raw: bytes


def letters(count: int, *, seed: int = 500) -> list[Letter]:
    """``count`` mails in the order they come in."""
    made = _Writer(random.Random(seed))
    for kind in made.kinds(count):
        made.write(kind)
    return made.letters


class _Writer:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.letters: list[Letter] = []

    def kinds(self, count: int) -> list[Kind]:
        """As many of each kind as its share, shuffled; a follow-up is never the first."""
        kinds: list[Kind] = [kind for kind, share in SHARES.items() for _ in range(round(share * count))]
        kinds = (kinds + ["frequent"] * count)[:count]
        self._chance.shuffle(kinds)
        first = next((at for at, kind in enumerate(kinds) if kind != "follow_up"), 0)
        kinds[0], kinds[first] = kinds[first], kinds[0]
        return kinds

    def write(self, kind: Kind) -> None:
        """Add a mail."""
        if kind == "follow_up":
            self._follow(self._chance.choice(self.letters))
            return
        language: Language = "es" if self._chance.random() < _SPANISH else "en"
        by_kind = {"frequent": phrases.FREQUENT, "product": phrases.PRODUCT, "order": phrases.ORDER}
        subject, question = self._chance.choice(by_kind[kind][language])
        facts = self._facts(language)
        self._add(kind, language, subject.format(**facts), question.format(**facts), before=None)

    def _follow(self, before: Letter) -> None:
        question = self._chance.choice(phrases.FOLLOW_UP[before.language])
        subject = before.subject if before.subject.startswith("Re: ") else f"Re: {before.subject}"
        asked = question.format(day=self._chance.randint(3, 28))
        self._add("follow_up", before.language, subject, asked, before=before)

    def _facts(self, language: Language) -> dict[str, str | int]:
        product, other = self._chance.sample(self._asked_about(), 2)
        size, size2 = self._chance.sample(_SIZES, 2)
        return {
            "product": product,
            "other": other,
            "size": size,
            "size2": size2,
            "colour": self._chance.choice(phrases.COLOURS[language]),
            "height": self._chance.randint(155, 195),
            "weight": self._chance.randint(48, 105),
            "order": f"P-{self._chance.randint(100_000, 999_999)}",
            "days": self._chance.randint(4, 20),
            "number": self._chance.randint(1, 120),
            "tax": f"B{self._chance.randint(10_000_000, 99_999_999)}",
        }

    def _asked_about(self) -> Sequence[str]:
        popular = self._chance.random() < 0.5  # noqa: PLR2004 - one half, as _POPULAR says
        return [goods.name for goods in (GOODS[::4][:_POPULAR] if popular else GOODS)]

    def _add(
        self, kind: Kind, language: Language, subject: str, question: str, *, before: Letter | None
    ) -> None:
        uid = len(self.letters) + 1
        name = self._chance.choice(phrases.NAMES[language])
        at = _FIRST_AT + timedelta(hours=_HOURS * self._chance.random())
        body = self._body(question, language, name, before)
        mail = EmailMessage()
        mail["From"] = f"{name} <customer{uid if before is None else before.thread}@example.test>"
        mail["To"] = ACCOUNT
        mail["Subject"] = subject
        mail["Date"] = format_datetime(at)
        mail["Message-ID"] = f"<m{uid}@example.test>"
        if before is not None:
            ours = f"<answer-{before.uid}@posta.test>"
            mail["In-Reply-To"] = ours
            mail["References"] = f"<m{before.thread}@example.test> {ours}"
        mail.set_content(body)
        self.letters.append(
            Letter(
                uid=uid,
                kind=kind,
                language=language,
                thread=uid if before is None else before.thread,
                subject=subject,
                body=body,
                raw=mail.as_bytes(),
            )
        )

    def _body(self, question: str, language: Language, name: str, before: Letter | None) -> str:
        greeting = self._chance.choice(phrases.GREETINGS[language])
        closing = self._chance.choice(phrases.CLOSINGS[language])
        own = [greeting, question, f"{closing}\n{name}" if closing.endswith(",") else closing]
        signature = self._chance.choice(phrases.SIGNATURES).format(
            name=name,
            number=self._chance.randint(1, 90),
            phone=f"+34 6{self._chance.randint(10**7, 10**8 - 1)}",
        )
        parts = [part for part in (*own, signature) if part]
        if before is not None:
            wrote = "On Mon, 2 Mar 2026 at 09:12, Tienda <tienda@posta.test> wrote:"
            escribio = "El lun, 2 mar 2026 a las 09:12, Tienda (<tienda@posta.test>) escribió:"
            quoted = "\n".join(f"> {line}" for line in ("(answer)", "", *before.body.splitlines()))
            parts.append(f"{escribio if language == 'es' else wrote}\n\n{quoted}")
        return "\n\n".join(parts) + "\n"

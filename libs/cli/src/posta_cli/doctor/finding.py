"""What one check found: a verdict, a sentence, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    """As it should be."""
    WARN = "warn"
    """Posta runs, or will; somebody should know."""
    FAIL = "fail"
    """Posta cannot run, or does not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check; `remedy` is empty when there is nothing to do."""

    verdict: Verdict
    subject: str
    text: str
    remedy: str = ""

    def lines(self) -> list[str]:
        """Return it as a person reads it."""
        first = f"  {self.verdict:<4}  {self.subject:<14} {self.text}"
        return [first, f"        {'':<14} → {self.remedy}"] if self.remedy else [first]


def ok(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, subject, text)


def warn(subject: str, text: str, remedy: str) -> Finding:
    """Worth knowing."""
    return Finding(Verdict.WARN, subject, text, remedy)


def fail(subject: str, text: str, remedy: str) -> Finding:
    """Must be changed."""
    return Finding(Verdict.FAIL, subject, text, remedy)

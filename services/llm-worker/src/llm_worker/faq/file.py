"""Reads ``faq.yaml``: concepts, frequent questions and their answers in both languages."""

import string
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from llm_worker.catalogue.summary import FACTS
from llm_worker.faq.matcher import Entry, Matcher
from llm_worker.words.vocabulary import Term, Vocabulary
from posta.domain.language import Language
from posta.rules_file import read_rules

FILE_NAME = "faq.yaml"
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
_Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Texts(_Model):
    en: str = Field(min_length=1, max_length=1500)
    es: str = Field(min_length=1, max_length=1500)

    def in_language(self, language: Language) -> str:
        return self.es if language == "es" else self.en


class _Question(_Model):
    id: _Id
    category: _Id
    asks: list[list[_Name]] = Field(min_length=1)
    also: list[_Name] = []
    unless: list[_Name] = []
    answer: _Texts


class FaqFile(_Model):
    """The whole file; wrong names in it are found when it is read."""

    facts: dict[_Name, _Texts] = {}
    neutral: list[_Name] = []
    concepts: dict[_Name, list[Term]]
    entries: list[_Question]

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        ids = [entry.id for entry in self.entries]
        if len(set(ids)) < len(ids):
            raise ValueError("two entries have the same id")
        for entry in self.entries:
            named = {*entry.also, *entry.unless, *(name for ask in entry.asks for name in ask)}
            if unknown := sorted(named - self.concepts.keys()):
                raise ValueError(
                    f"entry {entry.id} names concepts that are not defined: {', '.join(unknown)}"
                )
            for text in (entry.answer.en, entry.answer.es):
                if unknown := sorted(_placeholders(text) - self.facts.keys() - FACTS):
                    raise ValueError(f"the answer of {entry.id} names facts that are not defined: {unknown}")
        if ours := sorted(FACTS & self.facts.keys()):
            raise ValueError(f"facts names what the catalogue says by itself: {', '.join(ours)}")
        if unknown := sorted(set(self.neutral) - self.concepts.keys()):
            raise ValueError(f"neutral names concepts that are not defined: {', '.join(unknown)}")
        return self

    def matcher(self) -> Matcher:
        """What decides which entry a question is."""
        entries = tuple(
            Entry(
                id=entry.id,
                category=entry.category,
                asks=tuple(frozenset(ask) for ask in entry.asks),
                also=frozenset(entry.also),
                unless=frozenset(entry.unless),
            )
            for entry in self.entries
        )
        return Matcher(entries, Vocabulary.of(self.concepts), frozenset(self.neutral))

    def answers(self) -> dict[str, dict[Language, str]]:
        """The answer of each entry, by its id and language; finished but for what the catalogue says."""
        languages: tuple[Language, ...] = ("en", "es")
        left = {name: f"{{{name}}}" for name in FACTS}
        return {
            entry.id: {
                language: entry.answer.in_language(language).format_map(
                    {**left, **{name: texts.in_language(language) for name, texts in self.facts.items()}}
                )
                for language in languages
            }
            for entry in self.entries
        }


def read_faq(path: Path) -> FaqFile:
    """The rules in ``path``. Raises ``ConfigurationError`` naming the file, the place and the reason."""
    return read_rules(path, FaqFile)


def _placeholders(text: str) -> set[str]:
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as exc:
        raise ValueError(f"an answer cannot be read: {exc}") from None

"""Reads ``faq-evaluation.yaml``: the labelled questions that the frequent questions are measured with."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from llm_worker.faq.evaluation import Kind, Labelled
from posta.domain.language import Language
from posta.rules_file import read_rules

FILE_NAME = "faq-evaluation.yaml"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    question: str = Field(min_length=1, max_length=20_000)
    entry: str | None
    """The id of the entry that answers it; null: none does."""
    kind: Kind
    language: Language
    seen: bool = False
    """Its error was read while the rules were improved, so that it belongs to the tune half."""

    @model_validator(mode="after")
    def _label_fits_the_kind(self) -> Self:
        if (self.kind is Kind.IN) != (self.entry is not None):
            raise ValueError("kind is `in` exactly when an entry answers the question")
        return self


class EvaluationFile(BaseModel):
    """The whole file; a question that is labelled twice is found when it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    questions: list[_Row] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_question_twice(self) -> Self:
        if len({row.question for row in self.questions}) < len(self.questions):
            raise ValueError("a question stands in the file twice")
        return self

    def labelled(self) -> list[Labelled]:
        """The questions in the file's order."""
        return [
            Labelled(
                question=row.question,
                entry=row.entry,
                kind=row.kind,
                language=row.language,
                is_seen=row.seen,
            )
            for row in self.questions
        ]


def read_evaluation(path: Path) -> EvaluationFile:
    """The set in ``path``. Raises ``ConfigurationError`` naming the file, the place and the reason."""
    return read_rules(path, EvaluationFile)

"""The rules of answering, from ``prompts/answer.yaml``: the instruction in each language, and limits."""

import hashlib
from pathlib import Path
from typing import get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from llm_worker.prompts.policy import OtherFigures
from posta.domain.language import Language
from posta.errors import ConfigurationError

PATH = Path("prompts/answer.yaml")
"""Relative to the configuration folder."""


class AnswerRules(BaseModel):
    """What the LLM is told, and how much of a question it is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    max_question_chars: int = Field(ge=100, le=100_000)
    """Code points of the question that go into the prompt; the rest is cut, visibly."""
    system: dict[Language, str]
    """The instruction by language; every language Posta speaks is needed."""

    other_figures: OtherFigures = "correct"
    """When an answer states a price or stock that the catalogue does not: ``correct`` takes the figure out
    and adds the catalogue's, ``withhold`` gives the catalogue's only."""

    with_catalogue: dict[Language, str] = Field(default_factory=dict)
    """Added to the instruction when the prompt carries products."""
    with_conversation: dict[Language, str] = Field(default_factory=dict)
    """Added to the instruction when the prompt carries what was said before."""

    def instruction(self, language: Language, *, with_catalogue: bool, with_conversation: bool) -> str:
        """What the model is told, in ``language``."""
        texts = [self.system[language]]
        if with_catalogue:
            texts.append(self.with_catalogue.get(language, ""))
        if with_conversation:
            texts.append(self.with_conversation.get(language, ""))
        return "\n".join(text.strip() for text in texts if text)

    @property
    def version(self) -> str:
        """Changes whenever what the model is told does; answers are cached by it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    @field_validator("system")
    @classmethod
    def _complete(cls, system: dict[Language, str]) -> dict[Language, str]:
        missing = [language for language in get_args(Language) if not system.get(language, "").strip()]
        if missing:
            raise ValueError(f"no text for {', '.join(missing)}")
        unmarked = [language for language, text in system.items() if "<question>" not in text]
        if unmarked:
            raise ValueError(
                f"the text for {', '.join(unmarked)} must say that the question stands in <question>"
            )
        return system


def load_rules(config_dir: Path) -> AnswerRules:
    """Read and check the rules. Raises ``ConfigurationError`` naming file, path and reason."""
    file = config_dir / PATH
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return AnswerRules.model_validate(content)
    except OSError as exc:
        raise ConfigurationError(f"{file}: cannot be read: {exc.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"{file}: is not YAML: {' '.join(str(exc).split())}") from None
    except ValidationError as exc:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in error['loc']) or '(whole file)'}: {error['msg']}"
            for error in exc.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"{file}: {faults}") from None

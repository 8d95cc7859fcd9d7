"""Builds the messages for the LLM: our instruction, then the question as data in a delimited block.

The block's tags cannot be forged: inside it a tag's opening bracket becomes ``&lt;``, so that whatever
a person writes stays between the tags.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from llm_worker.question import Question
from llm_worker.rules import AnswerRules
from llm_worker.text import cap, sanitize

_OPENING, _CLOSING = "<question>\n", "\n</question>"
_SHORTEST_CHARS = 40
"""A question cut further says nothing."""
_TAG = re.compile(r"<(?=\s*/?\s*question\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is sent to the LLM: one system and one user message."""

    system: str
    user: str

    @property
    def pieces(self) -> tuple[str, ...]:
        """The texts that together are what is sent: whoever counted one need not count it again."""
        return (self.system, self.user)

    @property
    def messages(self) -> list[Mapping[str, str]]:
        """In the form of the chat completions API."""
        return [{"role": "system", "content": self.system}, {"role": "user", "content": self.user}]

    @property
    def text(self) -> str:
        """All of it."""
        return self.system + self.user

    def shortened(self, share: float) -> "Prompt | None":
        """The same with the question cut to ``share`` of its length; None when hardly anything is left."""
        inside = self.user.removeprefix(_OPENING).removesuffix(_CLOSING)
        chars = int(len(inside) * share)
        if chars < _SHORTEST_CHARS:
            return None
        return Prompt(system=self.system, user=f"{_OPENING}{cap(inside, chars)}{_CLOSING}")


def build_prompt(question: Question, rules: AnswerRules) -> Prompt:
    """The prompt in the person's language, the question capped at the rules' length."""
    asked = sanitize(question.text)
    if question.subject:
        asked = f"{sanitize(question.subject)}\n\n{asked}".strip()
    asked = _TAG.sub("&lt;", cap(asked, rules.max_question_chars))
    return Prompt(
        system=rules.system[question.language].strip(),
        user=f"{_OPENING}{asked}{_CLOSING}",
    )

"""Names, texts and placeholders of ``commands.yaml``, with Discord's limits on each."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from posta.domain.language import Language

_PLACEHOLDER = re.compile(r"\{([\w.\-]{1,64})\}")
_CHAT_NAME = re.compile(r"[-_'\w]{1,32}")
CONTENT_MOST_CHARS = 2000
"""Of a message's content, in Unicode code points."""


def chat_name(name: str) -> str:
    """``name``, if Discord takes it for a typed command or an option. Raises ``ValueError``."""
    # Letters that have a lower case must be in lower case (application commands, "naming").
    if not _CHAT_NAME.fullmatch(name) or name != name.lower():
        raise ValueError("1 to 32 letters, digits, '-' or '_', in lower case")
    return name


Name = Annotated[str, StringConstraints(pattern=r"^[-_a-z0-9]{1,32}$")]
"""What something is called in the rules, and by Discord."""
ChatName = Annotated[str, AfterValidator(chat_name)]
"""A command's or an option's name in another language."""
MenuName = Annotated[str, StringConstraints(min_length=1, max_length=32)]
"""The name of a user or message command: capitals and spaces are allowed."""
Snowflake = Annotated[str, StringConstraints(pattern=r"^[0-9]{5,20}$")]
Template = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
"""Text in which ``{name}`` stands for what the person filled in."""


class Rules(BaseModel):
    """The root of all that is in ``commands.yaml``: unknown names are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(Rules):
    """A text in each language Posta writes."""

    en: Annotated[str, Field(min_length=1, max_length=CONTENT_MOST_CHARS)]
    es: Annotated[str, Field(min_length=1, max_length=CONTENT_MOST_CHARS)]

    def text(self, language: Language) -> str:
        """The text in ``language``."""
        return self.es if language == "es" else self.en


def _words(most_chars: int) -> Any:
    def fits(words: Words) -> Words:
        if max(len(words.en), len(words.es)) > most_chars:
            raise ValueError(f"Discord takes at most {most_chars} characters")
        return words

    return AfterValidator(fits)


Description = Annotated[Words, _words(100)]
Label = Annotated[Words, _words(45)]
ButtonLabel = Annotated[Words, _words(80)]
ChoiceLabel = Annotated[Words, _words(100)]
Placeholder = Annotated[Words, _words(150)]


@lru_cache(maxsize=1024)
def placeholders(template: str) -> frozenset[str]:
    """The names that ``template`` asks for."""
    return frozenset(_PLACEHOLDER.findall(template))


def fill(template: str, fields: Mapping[str, str]) -> str:
    """``template`` with each placeholder replaced; what was not filled in is nothing."""
    return _PLACEHOLDER.sub(lambda found: fields.get(found[1], ""), template)

"""How events of each type look: the YAML files in ``templates/``, whose texts are Jinja2 templates.

Whoever writes a template is trusted, what an event says is not: templates run in Jinja2's sandbox,
and whatever they print of an event is disarmed (see ``notifier.rendering.neutral``) unless a filter
of this module made it.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from jinja2 import ChainableUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from notifier.rendering.clip import clip
from notifier.rendering.neutral import disarmed
from posta.domain.language import Language
from posta.errors import ConfigurationError
from posta.rules_file import read_rules

FOLDER = "templates"
_CODE_LIMIT = 1000
_EVENT_TYPE = re.compile(r"[A-Za-z0-9_.\-/:]+\*?|\*")


class _Safe(str):
    """Text that a filter made: printed as it is."""

    __slots__ = ()


def _printed(value: object) -> str:
    if isinstance(value, _Safe):
        return value
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return disarmed(str(value))


def _moment(value: object, style: str = "f") -> str:
    """An RFC 3339 time, or seconds since the epoch, shown by Discord in each reader's own time zone."""
    try:
        at = (
            float(value) if isinstance(value, int | float) else datetime.fromisoformat(str(value)).timestamp()
        )
        return _Safe(f"<t:{int(at)}:{style if style in 'tTdDfFR' else 'f'}>")
    except (ValueError, OverflowError):
        return _printed(value)


def _code(value: object, language: str = "") -> str:
    text = clip(_printed(value).replace("```", "'''"), _CODE_LIMIT)
    return _Safe(f"```{re.sub(r'[^A-Za-z0-9]', '', language)}\n{text}\n```")


def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        autoescape=False,
        undefined=ChainableUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.clear()
    made.filters.update({"moment": _moment, "code": _code})
    return made


_ENVIRONMENT = _environment()


def _compiled(text: object) -> Template:
    if not isinstance(text, str):
        raise ValueError("must be a text, or one text for each of en and es")  # noqa: TRY004 - pydantic's way
    try:
        return _ENVIRONMENT.from_string(text)
    except TemplateError as exc:
        raise ValueError(f"is no Jinja2 template: {exc}") from None


class _Text:
    """A template in each language; the other one when a language is missing."""

    def __init__(self, by_language: Mapping[str, Template]) -> None:
        self._by_language = by_language

    def rendered(self, language: Language, context: Mapping[str, Any]) -> str:
        template = self._by_language.get(language) or next(iter(self._by_language.values()))
        return template.render(context)


def _as_text(value: object) -> _Text:
    if isinstance(value, _Text):
        return value
    if isinstance(value, dict):
        if not value or set(value) - {"en", "es"}:
            raise ValueError("must be a text, or one text for each of en and es")
        return _Text({language: _compiled(text) for language, text in value.items()})
    return _Text({"en": _compiled(value)})


Text = Annotated[_Text, BeforeValidator(_as_text)]
Snowflake = Annotated[str, StringConstraints(pattern=r"^\d{1,20}$")]


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class FieldRule(_Rules):
    """One field of an embed; left out when its value is blank."""

    name: Text
    value: Text
    inline: bool = True


class EmbedRule(_Rules):
    """One embed."""

    title: Text | None = None
    description: Text | None = None
    url: Text | None = None
    color: Text | None = None
    """``red``, ``amber``, ``green``, ``blue``, ``grey`` or ``#rrggbb``; by the event when left out."""
    fields: tuple[FieldRule, ...] = ()
    footer: Text | None = None
    author: Text | None = None
    timestamp: bool = True
    """Show when it happened."""


class ButtonRule(_Rules):
    """A button that opens an address."""

    label: Text
    url: Text


class Mentions(_Rules):
    """Who may be notified: nobody, unless named here."""

    users: Annotated[tuple[Snowflake, ...], Field(max_length=100)] = ()
    roles: Annotated[tuple[Snowflake, ...], Field(max_length=100)] = ()
    everyone: bool = False

    def allowed(self) -> dict[str, Any]:
        """As Discord's ``allowed_mentions``."""
        allowed: dict[str, Any] = {"parse": ["everyone"] if self.everyone else []}
        if self.users:
            allowed["users"] = list(self.users)
        if self.roles:
            allowed["roles"] = list(self.roles)
        return allowed


class MessageRule(_Rules):
    """A message as the template draws it."""

    content: Text | None = None
    embeds: Annotated[tuple[EmbedRule, ...], Field(max_length=10)] = ()
    buttons: Annotated[tuple[ButtonRule, ...], Field(max_length=25)] = ()
    mentions: Mentions = Mentions()
    username: Text | None = None
    avatar_url: Text | None = None
    silent: bool = False
    """Nobody's device makes a sound."""


class TemplateFile(_Rules):
    """One file: for which event types, and what they look like."""

    types: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=f"^(?:{_EVENT_TYPE.pattern})$")], ...],
        Field(min_length=1),
    ]
    """Event types; one that ends in ``*`` stands for all that begin so."""
    message: MessageRule


class Templates:
    """All templates, by event type."""

    def __init__(self, files: Mapping[str, TemplateFile]) -> None:
        self._exact = {t: (name, f.message) for name, f in files.items() for t in f.types if t[-1] != "*"}
        self._prefixes = sorted(
            ((t[:-1], (name, f.message)) for name, f in files.items() for t in f.types if t[-1] == "*"),
            key=lambda found: -len(found[0]),
        )

    def find(self, event_type: str) -> tuple[str, MessageRule] | None:
        """The template for an event type and its file's name: its own, or the longest prefix that fits."""
        if event_type in self._exact:
            return self._exact[event_type]
        return next((found for prefix, found in self._prefixes if event_type.startswith(prefix)), None)


def load_templates(config_dir: Path) -> Templates:
    """Every ``*.yaml`` in the folder; no folder is no template.

    Raises ``ConfigurationError`` naming file, path in it and reason; also when two files claim a type.
    """
    files = {path.stem: read_rules(path, TemplateFile) for path in sorted(_files(config_dir / FOLDER))}
    claimed: dict[str, str] = {}
    for name, file in files.items():
        for event_type in file.types:
            other = claimed.setdefault(event_type, name)
            if other != name:
                raise ConfigurationError(
                    f"{config_dir / FOLDER}: {other}.yaml and {name}.yaml both draw"
                    f" events of type {event_type!r}"
                )
    return Templates(files)


def _files(folder: Path) -> Iterator[Path]:
    return folder.glob("*.yaml") if folder.is_dir() else iter(())

"""What becomes of an interaction: an answer at once, or an event and an answer once it is kept. PURE."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from ingress.commands.actions import Action, AskLlm, OpenForm, PublishEvent, ReplyAtOnce
from ingress.commands.replies import Reply
from ingress.commands.rules import CommandRule, Commands
from ingress.commands.wording import fill, placeholders
from ingress.interactions import answers
from ingress.interactions.answers import Notice
from ingress.interactions.fields import name_of, state_of, values_of, words_of
from ingress.interactions.interaction import Interaction, Kind, User
from ingress.interactions.snowflake import snowflake_time
from ingress.interactions.suggestions import Lists, suggest
from posta.domain.envelope import Event
from posta.domain.ids import conversation_key, interaction_event_id
from posta.domain.language import Language, language_of
from posta.domain.payloads import DiscordInteraction, EventPublished, Person
from posta.topics import DISCORD_INTERACTIONS, EVENTS_PUBLISHED, Topic

SOURCE = "/ingress"
LIFE = timedelta(minutes=14.5)
"""A token dies 15 minutes after its snowflake's time; an answer needs some of that to arrive."""
_DIRECT_MESSAGE = "dm"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerNow:
    """Nothing needs to be kept."""

    body: bytes
    reason: str | None = None
    """Why the person's wish was not taken, for the metrics; None when there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepThenAnswer:
    """``body`` may be sent only after ``event`` is durable."""

    topic: Topic
    event: Event[DiscordInteraction] | Event[EventPublished]
    body: bytes
    name: str
    """What was used, for its limits."""
    text: str
    """What was said, for telling a repetition."""
    conversation: str
    person: str
    guild: str | None
    per_user_per_minute: int | None = None


Decision = AnswerNow | KeepThenAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """Everything that decisions depend on besides the interaction."""

    commands: Commands
    lists: Lists = field(default_factory=dict)
    """The providers' suggestions."""
    default_destination: str | None = None
    """Where an event goes whose action names none."""


def decide(interaction: Interaction, rules: Rulebook) -> Decision:
    """What to do about ``interaction``."""
    match interaction.type:
        case Kind.PING:
            return AnswerNow(body=answers.PONG)
        case Kind.AUTOCOMPLETE:
            return _suggest(interaction, rules)
        case Kind.COMMAND:
            return _command(interaction, rules)
        case Kind.COMPONENT:
            return _press(interaction, rules)
        case Kind.MODAL:
            return _form(interaction, rules)
        case _:
            return refuse(interaction, Notice.UNKNOWN_TYPE)


def refuse(interaction: Interaction, notice: Notice) -> AnswerNow:
    """Tell the person ``notice``."""
    body = answers.notice_body(notice, locale=interaction.language_tag)
    return AnswerNow(body=body, reason=notice.value)


def _suggest(interaction: Interaction, rules: Rulebook) -> AnswerNow:
    command = rules.commands.get(interaction.data.name)
    use = command.use(interaction.path) if command else None
    if use is None:
        return AnswerNow(body=answers.NO_CHOICES, reason=Notice.UNKNOWN_COMMAND.value)
    language = _language(interaction)
    found = suggest(use.options, interaction, rules.lists, language)
    return AnswerNow(body=answers.choices_body(found, language=language))


def _command(interaction: Interaction, rules: Rulebook) -> Decision:
    command = rules.commands.get(interaction.data.name)
    use = command.use(interaction.path) if command else None
    if command is None or use is None or interaction.person is None:
        return refuse(interaction, Notice.UNKNOWN_COMMAND)
    notice = _barred(interaction, command)
    if notice is not None:
        return refuse(interaction, notice)
    ephemeral = use.ephemeral
    if isinstance(ephemeral, str):
        ephemeral = values_of(interaction).get(ephemeral) is True
    limit = command.limits.per_user_per_minute
    return _act(
        _Case(interaction, use.action, rules, ephemeral=ephemeral, per_user_per_minute=limit),
        interaction.person,
    )


def _barred(interaction: Interaction, command: CommandRule) -> Notice | None:
    if command.guilds and interaction.guild_id not in command.guilds:
        return Notice.NOT_HERE
    if command.applications and interaction.application_id not in command.applications:
        return Notice.NOT_HERE
    return None if _has_role(interaction, command.roles) else Notice.NOT_ALLOWED


def _has_role(interaction: Interaction, roles: tuple[str, ...]) -> bool:
    mine = interaction.member.roles if interaction.member else ()
    return not roles or not set(roles).isdisjoint(mine)


def _press(interaction: Interaction, rules: Rulebook) -> Decision:
    rule = rules.commands.components.get(name_of(interaction))
    if rule is None or interaction.person is None:
        return refuse(interaction, Notice.OUT_OF_USE)
    if not _has_role(interaction, rule.roles):
        return refuse(interaction, Notice.NOT_ALLOWED)
    return _act(_Case(interaction, rule.action, rules, ephemeral=rule.ephemeral), interaction.person)


def _form(interaction: Interaction, rules: Rulebook) -> Decision:
    rule = rules.commands.modals.get(name_of(interaction))
    if rule is None or interaction.person is None:
        return refuse(interaction, Notice.OUT_OF_USE)
    return _act(_Case(interaction, rule.action, rules, ephemeral=rule.ephemeral), interaction.person)


@dataclass(frozen=True, slots=True)
class _Case:
    """One interaction and the action it leads to."""

    interaction: Interaction
    action: Action
    rules: Rulebook
    ephemeral: bool
    per_user_per_minute: int | None = None


def _act(case: _Case, person: User) -> Decision:
    words = words_of(case.interaction)
    match case.action:
        case ReplyAtOnce(reply=reply):
            return AnswerNow(body=_reply(case, reply, words))
        case OpenForm(modal=modal, state=state):
            form = case.rules.commands.modals[modal]
            carried = fill(state, words) if state else state_of(case.interaction)
            language = _language(case.interaction)
            return AnswerNow(body=answers.form_body(modal, form, state=carried, language=language))
        case AskLlm() as ask:
            return _ask(case, ask, words, person)
        case PublishEvent() as publish:
            return _publish(case, publish, words, person)


def _reply(case: _Case, reply: Reply, words: Mapping[str, str]) -> bytes:
    return answers.reply_body(
        reply,
        words,
        language=_language(case.interaction),
        ephemeral=case.ephemeral,
        replaces=reply.replaces and case.interaction.message is not None,
    )


def _ask(case: _Case, ask: AskLlm, words: Mapping[str, str], person: User) -> Decision:
    question = fill(ask.question, words).strip()
    if not _says_something(ask.question, words):
        return refuse(case.interaction, Notice.EMPTY_QUESTION)
    if ask.acknowledge == "update" and case.interaction.message is not None:
        body = answers.DEFERRED_UPDATE
    else:
        body = answers.DEFERRED_EPHEMERAL if case.ephemeral else answers.DEFERRED
    return _kept(case, DISCORD_INTERACTIONS, _question(case, question, person), body, question, person)


def _says_something(template: str, words: Mapping[str, str]) -> bool:
    """Whether anything of a question is the person's: of ``About {topic}`` without a topic nothing is."""
    asked = placeholders(template) - {"person"}
    return not asked or any(words.get(name) for name in asked)


def _question(case: _Case, question: str, person: User) -> Event[DiscordInteraction]:
    interaction = case.interaction
    made_at = snowflake_time(interaction.id)
    return Event(
        id=interaction_event_id(interaction.id),
        source=SOURCE,
        time=made_at,
        key=_conversation(interaction, person),
        data=DiscordInteraction(
            interaction_id=interaction.id,
            application_id=interaction.application_id,
            token=interaction.token,
            kind=interaction.type,
            command=name_of(interaction),
            options=values_of(interaction),
            text=question,
            person=Person(id=person.id, name=interaction.display_name),
            guild_id=interaction.guild_id,
            channel_id=interaction.channel_id,
            locale=interaction.language_tag,
            ephemeral=case.ephemeral,
            data=interaction.raw_data,
        ),
        expires_at=made_at + LIFE,
    )


def _publish(case: _Case, publish: PublishEvent, words: Mapping[str, str], person: User) -> Decision:
    destination = publish.destination or case.rules.default_destination
    if destination is None:
        return refuse(case.interaction, Notice.OUT_OF_USE)
    said = {name: fill(template, words) for name, template in publish.data.items()}
    event = _published(case.interaction, publish.type, destination, said, person)
    body = _reply(case, publish.reply, words) if publish.reply else answers.DEFERRED_UPDATE
    text = "\n".join((publish.type, *said.values()))
    return _kept(case, EVENTS_PUBLISHED, event, body, text, person)


def _published(
    interaction: Interaction, kind: str, destination: str, said: Mapping[str, str], person: User
) -> Event[EventPublished]:
    made_at = snowflake_time(interaction.id)
    about: dict[str, Any] = {
        "person": interaction.display_name,
        "person_id": person.id,
        "guild_id": interaction.guild_id,
        "channel_id": interaction.channel_id,
    }
    return Event(
        id=interaction_event_id(interaction.id),
        source=SOURCE,
        time=made_at,
        key=destination,
        data=EventPublished(
            destination=destination,
            publisher="discord",
            client_id=interaction.id,
            client_type=kind,
            client_source=f"/discord/{name_of(interaction).replace(' ', '/')}",
            occurred_at=made_at.isoformat().replace("+00:00", "Z"),
            data={**said, **{name: value for name, value in about.items() if value}},
        ),
    )


def _kept(
    case: _Case,
    topic: Topic,
    event: Event[DiscordInteraction] | Event[EventPublished],
    body: bytes,
    text: str,
    person: User,
) -> KeepThenAnswer:
    return KeepThenAnswer(
        topic=topic,
        event=event,
        body=body,
        name=name_of(case.interaction),
        text=text,
        conversation=_conversation(case.interaction, person),
        person=person.id,
        guild=case.interaction.guild_id,
        per_user_per_minute=case.per_user_per_minute,
    )


def _conversation(interaction: Interaction, person: User) -> str:
    place = interaction.channel_id or _DIRECT_MESSAGE
    return conversation_key(medium="discord", place=place, person=person.id)


def _language(interaction: Interaction) -> Language:
    return language_of(interaction.language_tag)

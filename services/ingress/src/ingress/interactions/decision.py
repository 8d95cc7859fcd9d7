"""What becomes of an interaction: an answer at once, or an event and an answer once it is kept."""

from dataclasses import dataclass
from datetime import timedelta

from ingress.commands.rules import CommandRule, Commands
from ingress.interactions import answers
from ingress.interactions.answers import Notice
from ingress.interactions.interaction import Interaction, Kind, User
from ingress.interactions.snowflake import snowflake_time
from posta.domain.envelope import Event
from posta.domain.ids import conversation_key, interaction_event_id
from posta.domain.payloads import DiscordInteraction, Person

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

    event: Event[DiscordInteraction]
    body: bytes


def decide(interaction: Interaction, commands: Commands) -> AnswerNow | KeepThenAnswer:
    """What to do about ``interaction``."""
    match interaction.type:
        case Kind.PING:
            return AnswerNow(body=answers.PONG)
        case Kind.AUTOCOMPLETE:
            # Cannot be deferred, and Posta suggests nothing yet.
            return AnswerNow(body=answers.NO_CHOICES)
        case Kind.COMMAND:
            return _command(interaction, commands)
        case Kind.COMPONENT | Kind.MODAL:
            return _refuse(interaction, Notice.OUT_OF_USE)


def _command(interaction: Interaction, commands: Commands) -> AnswerNow | KeepThenAnswer:
    command = commands.get(interaction.data.name)
    person = interaction.person
    if command is None or person is None:
        return _refuse(interaction, Notice.UNKNOWN_COMMAND)
    question = str(interaction.options.get(command.question, "")).strip()
    if not question:
        return _refuse(interaction, Notice.EMPTY_QUESTION)
    event = _event(interaction, person, command, question)
    body = answers.DEFERRED_EPHEMERAL if event.data.ephemeral else answers.DEFERRED
    return KeepThenAnswer(event=event, body=body)


def _refuse(interaction: Interaction, notice: Notice) -> AnswerNow:
    body = answers.notice_body(notice, locale=interaction.language_tag)
    return AnswerNow(body=body, reason=notice.value)


def _event(
    interaction: Interaction, person: User, command: CommandRule, question: str
) -> Event[DiscordInteraction]:
    made_at = snowflake_time(interaction.id)
    options = interaction.options
    return Event(
        id=interaction_event_id(interaction.id),
        source=SOURCE,
        time=made_at,
        key=conversation_key(
            medium="discord",
            place=interaction.channel_id or _DIRECT_MESSAGE,
            person=person.id,
        ),
        data=DiscordInteraction(
            interaction_id=interaction.id,
            application_id=interaction.application_id,
            token=interaction.token,
            kind=interaction.type,
            command=interaction.data.name,
            options=options,
            text=question,
            person=Person(id=person.id, name=interaction.display_name),
            guild_id=interaction.guild_id,
            channel_id=interaction.channel_id,
            locale=interaction.language_tag,
            ephemeral=command.ephemeral is not None and options.get(command.ephemeral) is True,
        ),
        expires_at=made_at + LIFE,
    )

"""What was asked, apart from the medium that brought it."""

from dataclasses import dataclass

from llm_worker.text import sanitize
from posta.domain.language import Language, language_of
from posta.domain.payloads import DiscordInteraction, DiscordTarget, EmailReceived, EmailTarget, Payload
from posta.errors import Malformed, Permanent


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question and the address its answer goes to."""

    text: str
    subject: str
    """A mail's subject, which may be all there is; empty on Discord."""
    locale: str
    target: DiscordTarget | EmailTarget
    tenant: str = ""
    """Who shares an allowance fairly with the others: a guild, a person who writes directly, a mailbox."""
    command: str = ""
    """The Discord command that was used; empty by mail."""

    @property
    def whole(self) -> str:
        """Subject and text."""
        return f"{self.subject}\n{self.text}".strip() if self.subject else self.text

    @property
    def language(self) -> Language:
        """The language to answer in."""
        return language_of(self.locale)


def question_of(data: Payload) -> Question:
    """The question in an event's data.

    Raises ``Malformed`` for data that asks nothing of an LLM, ``Permanent`` for an empty question.
    """
    match data:
        case DiscordInteraction():
            question = Question(
                text=data.text,
                subject="",
                locale=data.locale,
                target=target_of(data),
                tenant=f"guild:{data.guild_id}" if data.guild_id else f"person:{data.person.id}",
                command=data.command,
            )
        case EmailReceived():
            question = Question(
                text=data.text,
                subject=data.subject,
                locale=data.locale,
                target=target_of(data),
                tenant=f"mailbox:{data.account}",
            )
        case _:
            raise Malformed(f"{data.TYPE} is no question for an LLM")
    if not sanitize(question.text) and not sanitize(question.subject):
        raise Permanent("the question is empty")
    return question


def target_of(data: DiscordInteraction | EmailReceived) -> DiscordTarget | EmailTarget:
    """Where the reply goes: the interaction's original response, or the mail's thread."""
    if isinstance(data, DiscordInteraction):
        return DiscordTarget(
            interaction_id=data.interaction_id,
            application_id=data.application_id,
            token=data.token,
            user_id=data.person.id,
            channel_id=data.channel_id,
            guild_id=data.guild_id,
            ephemeral=data.ephemeral,
        )
    return EmailTarget(
        account=data.account,
        to=data.sender.id,
        to_name=data.sender.name,
        subject=data.subject,
        in_reply_to=data.message_id,
        references=_references(data),
    )


def _references(mail: EmailReceived) -> tuple[str, ...]:
    """The thread so far and the mail itself (RFC 5322 §3.6.4)."""
    thread = mail.references or ((mail.in_reply_to,) if mail.in_reply_to else ())
    if mail.message_id is None or mail.message_id in thread[-1:]:
        return thread
    return (*thread, mail.message_id)

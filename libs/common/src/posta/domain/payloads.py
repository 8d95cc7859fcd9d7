"""The data of every event type: one pydantic model per type and version.

Unknown fields are dropped, not fatal; a new meaning gets a new version.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SecretStr

WireSecret = Annotated[
    SecretStr,
    PlainSerializer(lambda secret: secret.get_secret_value(), return_type=str, when_used="json"),
]
"""A secret that shows as ``**********`` everywhere except in the record's own JSON."""

Priority = Literal["low", "normal", "high"]
"""How much an event's publisher wants it to be noticed."""


class Payload(BaseModel):
    """The root of all event data; ``TYPE`` is the CloudEvents type on the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    TYPE: ClassVar[str]


class Person(BaseModel):
    """Who asked, as the medium names them."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    id: str
    """Discord's user id, or a mail address."""
    name: str = ""
    """The name to show; it may be empty or made up."""


class DiscordInteraction(Payload):
    """A question asked by a command, button, menu or form, and deferred at Discord (type 5 or 6)."""

    TYPE: ClassVar[str] = "posta.discord.interaction.v1"
    interaction_id: str
    """Discord's id of the interaction."""
    application_id: str
    """The application that was asked; part of the answer's address."""
    token: WireSecret
    """Credential of the answer for 15 minutes after the interaction was made."""
    kind: int
    """Discord's interaction type: 2 command, 3 component, 5 modal."""
    command: str
    """Its name in ``commands.yaml``: of the command with its sub-command, the component or the form."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the person filled in, by the option's name."""
    text: str
    """What the person asked, as plain text."""
    person: Person
    """Who used the command."""
    guild_id: str | None = None
    """The server it was used in; null in a direct message."""
    channel_id: str | None = None
    """The channel it was used in."""
    locale: str = "en-US"
    """The person's language, as Discord names it."""
    ephemeral: bool = False
    """Only the person who asked sees the answer."""
    data: dict[str, Any] = Field(default_factory=dict)
    """Discord's own ``data``, whole, so that what this version does not know is carried all the same."""


class EmailReceived(Payload):
    """A mail that a person wrote and that wants an answer."""

    TYPE: ClassVar[str] = "posta.email.received.v1"
    account: str
    """The address of ours that it was taken from, and is answered from."""
    mailbox: str
    """The folder it was in."""
    uidvalidity: int
    """Version of the folder's numbering (RFC 9051 §2.3.1.1)."""
    uid: int
    """The mail's number in that numbering."""
    message_id: str | None = None
    """Its Message-ID; the reply's In-Reply-To."""
    in_reply_to: str | None = None
    """Message-ID of the mail it answers."""
    references: tuple[str, ...] = ()
    """Message-IDs of its thread, oldest first."""
    sender: Person
    """``id`` is the address to answer to, ``name`` the display name."""
    subject: str = ""
    """Decoded; may be empty."""
    text: str
    """What the person wrote, without what they quoted."""
    locale: str = "en"
    """The person's language, as far as it can be told."""


class EventPublished(Payload):
    """Something a script reports, to be shown at a destination."""

    TYPE: ClassVar[str] = "posta.event.published.v1"
    destination: str
    """Name of the destination in ``destinations.yaml``; also the Kafka key."""
    publisher: str
    """Name of the API key that handed it over."""
    client_id: str
    """The event's id as the client gave it, or as ingress made it."""
    client_type: str
    """The event's type in the client's words, such as ``backup.failed``."""
    client_source: str
    """What it happened to or in, in the client's words."""
    subject: str | None = None
    """Which part of the source it is about."""
    occurred_at: str
    """RFC 3339 time the client gave, or the time of acceptance."""
    data: dict[str, Any] = Field(default_factory=dict)
    """Anything else the client says."""
    deliver_at: datetime | None = None
    """Not to be delivered before."""
    priority: Priority = "normal"
    """As the client sees it."""
    dedupe_key: str | None = None
    """Events of a publisher and destination with the same key, close in time, are one counted message."""
    thread_key: str | None = None
    """Events of a publisher and destination with the same key edit one message."""
    routed: bool = False
    """Its destination is final: the notifier's routes have been asked."""


class DiscordTarget(BaseModel):
    """The original response of an interaction, to be edited."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    medium: Literal["discord"] = "discord"
    """Tells the targets apart."""
    interaction_id: str
    """The interaction that is answered."""
    application_id: str
    """The application that was asked; part of the answer's address."""
    token: WireSecret
    """Credential of the answer for 15 minutes after the interaction was made."""
    user_id: str | None = None
    """Who asked: where an answer that is too late for its token may go instead."""
    channel_id: str | None = None
    """Where they asked, for the same reason."""
    guild_id: str | None = None
    """The server of that channel; null in a direct message."""
    ephemeral: bool = False
    """Only the person who asked may see the answer, wherever it goes."""


class FallbackTarget(BaseModel):
    """Another way to the person, when the interaction's own is closed."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    medium: Literal["fallback"] = "fallback"
    """Tells the targets apart."""
    route: Literal["dm", "channel", "destination"]
    """A direct message, a message of the bot in the channel, or a configured destination."""
    place: str
    """The user's id, the channel's id, or the destination's."""
    asked: DiscordTarget
    """How it was to be answered."""
    asked_at: int | None = None
    """When the question was asked, in seconds since the epoch."""


class EmailTarget(BaseModel):
    """The mail thread to reply in."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    medium: Literal["email"] = "email"
    """Tells the targets apart."""
    account: str
    """Our address: the reply's From."""
    to: str
    """The address to answer to."""
    to_name: str = ""
    """The display name of that address."""
    subject: str = ""
    """Subject of the mail that is answered."""
    in_reply_to: str | None = None
    """Message-ID of the mail that is answered."""
    references: tuple[str, ...] = ()
    """Message-IDs of the thread, oldest first."""


class ReplyReady(Payload):
    """Text to deliver to a person: an answer, or an apology that there will be none."""

    TYPE: ClassVar[str] = "posta.reply.ready.v1"
    question_id: str
    """Id of the event that asked."""
    kind: Literal["answer", "apology"]
    """Whether the question was answered."""
    target: Annotated[DiscordTarget | EmailTarget | FallbackTarget, Field(discriminator="medium")]
    """Where it goes."""
    text: str
    """What the person reads, in Markdown."""
    locale: str = "en"
    """The person's language."""


PAYLOADS: dict[str, type[Payload]] = {
    model.TYPE: model for model in (DiscordInteraction, EmailReceived, EventPublished, ReplyReady)
}
"""Every event type Posta can read, by its CloudEvents type."""

"""The data of every event type: one pydantic model per type and version.

Unknown fields are dropped, not fatal; a new meaning gets a new version.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SecretStr

WireSecret = Annotated[
    SecretStr,
    PlainSerializer(lambda secret: secret.get_secret_value(), return_type=str, when_used="json"),
]
"""A secret that shows as ``**********`` everywhere except in the record's own JSON."""


class Payload(BaseModel):
    """The root of all event data; ``TYPE`` is the CloudEvents type on the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    TYPE: ClassVar[str]


class Person(BaseModel):
    """Who asked, as the medium names them."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    id: str
    name: str = ""


class DiscordInteraction(Payload):
    """A slash command, acknowledged to Discord with a deferred response (type 5)."""

    TYPE: ClassVar[str] = "posta.discord.interaction.v1"
    interaction_id: str
    application_id: str
    token: WireSecret
    """Credential of the answer for 15 minutes after the interaction was made."""
    kind: int
    """Discord's interaction type: 2 command, 3 component, 5 modal."""
    command: str
    options: dict[str, Any] = Field(default_factory=dict)
    text: str
    """What the person asked, as plain text."""
    person: Person
    guild_id: str | None = None
    channel_id: str | None = None
    locale: str = "en-US"
    ephemeral: bool = False


class EmailReceived(Payload):
    """A mail that a person wrote and that wants an answer."""

    TYPE: ClassVar[str] = "posta.email.received.v1"
    account: str
    """The address of ours that it was taken from, and is answered from."""
    mailbox: str
    uidvalidity: int
    uid: int
    message_id: str | None = None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    sender: Person
    """``id`` is the address to answer to, ``name`` the display name."""
    subject: str = ""
    text: str
    locale: str = "en"


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
    subject: str | None = None
    occurred_at: str
    """RFC 3339 time the client gave, or the time of acceptance."""
    data: dict[str, Any] = Field(default_factory=dict)


class DiscordTarget(BaseModel):
    """The original response of an interaction, to be edited."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    medium: Literal["discord"] = "discord"
    interaction_id: str
    application_id: str
    token: WireSecret


class EmailTarget(BaseModel):
    """The mail thread to reply in."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    medium: Literal["email"] = "email"
    account: str
    """Our address: the reply's From."""
    to: str
    to_name: str = ""
    subject: str = ""
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()


class ReplyReady(Payload):
    """Text to deliver to a person: an answer, or an apology that there will be none."""

    TYPE: ClassVar[str] = "posta.reply.ready.v1"
    question_id: str
    """Id of the event that asked."""
    kind: Literal["answer", "apology"]
    target: Annotated[DiscordTarget | EmailTarget, Field(discriminator="medium")]
    text: str
    locale: str = "en"


PAYLOADS: dict[str, type[Payload]] = {
    model.TYPE: model for model in (DiscordInteraction, EmailReceived, EventPublished, ReplyReady)
}
"""Every event type Posta can read, by its CloudEvents type."""

"""What a command, button, menu or form does: ask the LLM, reply, publish an event, or open a form."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ingress.commands.replies import Reply
from ingress.commands.wording import Name, Rules, Template, placeholders
from posta.destinations import DestinationId


class AskLlm(Rules):
    """Defers, asks the LLM in its own time, and shows the answer there."""

    does: Literal["llm"]
    question: Template
    acknowledge: Literal["message", "update"] = "message"
    """``message``: "thinking…" (type 5). ``update``: the answer takes the place of the message whose
    button was pressed, which stays as it is until then (type 6)."""

    @property
    def asks_for(self) -> frozenset[str]:
        """Every placeholder in it."""
        return placeholders(self.question)


class ReplyAtOnce(Rules):
    """Answers with a message of these rules; nothing is kept."""

    does: Literal["static"]
    reply: Reply

    @property
    def asks_for(self) -> frozenset[str]:
        """Every placeholder in it."""
        return self.reply.asks_for


class PublishEvent(Rules):
    """Publishes an event as a script would; the person reads ``reply`` once it is safe."""

    does: Literal["event"]
    type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.\-]{0,99}$")]
    destination: DestinationId | None = None
    """The default of ``destinations.yaml`` without it."""
    data: dict[Name, Template] = Field(default_factory=dict)
    """What else the event says; the person and where it happened are always there."""
    reply: Reply | None = None
    """Without it a press shows nothing (type 6)."""

    @property
    def asks_for(self) -> frozenset[str]:
        """Every placeholder in it."""
        mine = frozenset().union(*(placeholders(template) for template in self.data.values()))
        return mine | (self.reply.asks_for if self.reply else frozenset())


class OpenForm(Rules):
    """Opens a form of ``modals``."""

    does: Literal["modal"]
    modal: Name
    state: Template | None = None
    """Handed to the form's sending behind its id."""

    @property
    def asks_for(self) -> frozenset[str]:
        """Every placeholder in it."""
        return placeholders(self.state) if self.state else frozenset()


Action = Annotated[AskLlm | ReplyAtOnce | PublishEvent | OpenForm, Field(discriminator="does")]


def reply_of(action: AskLlm | ReplyAtOnce | PublishEvent | OpenForm) -> Reply | None:
    """The message the action answers with, if it has one."""
    return action.reply if isinstance(action, ReplyAtOnce | PublishEvent) else None

"""Everything the Discord look-alike remembers, and what each call does to it. Pure: now is given."""

from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

from posta_sandbox.discord import people
from posta_sandbox.discord.errors import (
    DiscordError,
    empty_message,
    invalid_form,
    invalid_webhook_token,
    too_many_followups,
    unknown_message,
    unknown_webhook,
)
from posta_sandbox.discord.interaction import Callback, Interaction
from posta_sandbox.discord.interactions import Use, owners
from posta_sandbox.discord.limits import FLAG_EPHEMERAL, FLAG_LOADING, message_problems
from posta_sandbox.discord.message import REPLY_TO_COMMAND, Message
from posta_sandbox.discord.people import Place, User
from posta_sandbox.discord.snowflake import Snowflakes
from posta_sandbox.discord.webhook import Webhook
from posta_sandbox.keys import webhook_credentials

INTERACTIONS_KEPT = 5_000
MESSAGES_KEPT = 10_000
FOLLOWUPS_OF_USER_INSTALL = 5
NONCES_KEPT = 1_000
WEBHOOKS_KEPT = 1_000
OPS_WEBHOOK = "ops"


class DiscordState:
    """Webhooks, interactions and messages, bounded; oldest are forgotten first."""

    def __init__(self, *, seed_hex: str, application_id: str) -> None:
        self.seed_hex = seed_hex
        self.application_id = application_id
        self.version = 0
        self._snowflakes = Snowflakes()
        self.clear()

    def clear(self) -> None:
        """Forget everything; the ``ops`` webhook is there again."""
        self.interactions: OrderedDict[str, Interaction] = OrderedDict()
        self.webhooks: dict[str, Webhook] = {}
        self.posts: deque[Message] = deque(maxlen=MESSAGES_KEPT)
        self._by_token: dict[str, Interaction] = {}
        self._nonces: OrderedDict[str, Message] = OrderedDict()
        self.direct: dict[str, Place] = {}
        self.create_webhook(OPS_WEBHOOK, channel=people.OPS_CHANNEL)

    def new_id(self, now: float) -> str:
        """Return a fresh snowflake."""
        return self._snowflakes.make(now)

    # incoming webhooks

    def create_webhook(self, name: str, *, channel: str) -> Webhook:
        """Create (or bring back) the webhook of this name; the seed decides its id and token."""
        credentials = webhook_credentials(self.seed_hex, name)
        place = people.guild_channel(people.DEFAULT_GUILD, channel)
        webhook = Webhook(id=credentials.id, token=credentials.token, name=name, place=place)
        self.webhooks[webhook.id] = webhook
        while len(self.webhooks) > WEBHOOKS_KEPT:
            self.webhooks.pop(next(iter(self.webhooks)))
        self.version += 1
        return webhook

    def named_webhook(self, name: str) -> Webhook | None:
        """Return the webhook with this name or id, deleted ones included."""
        return next((w for w in self.webhooks.values() if name in (w.name, w.id)), None)

    def delete_webhook(self, webhook: Webhook) -> None:
        """Delete a webhook; calls to its URL find nothing (10015) from now on."""
        webhook.deleted = True
        self.version += 1

    def webhook(self, webhook_id: str, token: str) -> Webhook:
        """Return the living webhook of a URL; raises 10015 or 50027."""
        webhook = self.webhooks.get(webhook_id)
        if webhook is None or webhook.deleted:
            raise unknown_webhook()
        if webhook.token != token:
            raise invalid_webhook_token()
        return webhook

    def execute(
        self, webhook: Webhook, body: Mapping[str, Any], now: float, *, thread_id: str | None
    ) -> Message:
        """Post as a webhook; raises 50035 or 50006."""
        _check(body)
        author = {
            "id": webhook.id,
            "username": body.get("username") or webhook.name,
            "avatar": None,
            "discriminator": "0000",
            "public_flags": 0,
            "flags": 0,
            "bot": True,
            "global_name": None,
            "clan": None,
            "primary_guild": None,
        }
        message = Message(
            id=self.new_id(now),
            webhook_id=webhook.id,
            place=webhook.place,
            author=author,
            created_at=now,
            flags=int(body.get("flags") or 0) & ~FLAG_EPHEMERAL,
            thread_id=thread_id,
        )
        message.fill(body)
        if message.is_empty:
            raise empty_message()
        self.posts.append(message)
        self.version += 1
        return message

    def webhook_message(self, webhook: Webhook, message_id: str) -> Message:
        """Return one of a webhook's messages; raises 10008."""
        for message in self.posts:
            if message.id == message_id and message.webhook_id == webhook.id:
                return _alive(message)
        raise unknown_message()

    def posts_of(self, webhook: Webhook) -> list[Message]:
        """Return a webhook's messages, oldest first, deleted ones included."""
        return [m for m in self.posts if m.webhook_id == webhook.id]

    def channel_post(self, place: Place, body: Mapping[str, Any], now: float) -> Message:
        """Post as the bot into a channel; with enforce_nonce a repeated nonce posts once."""
        nonce = body.get("nonce") if body.get("enforce_nonce") else None
        known = self._nonces.get(f"{place.channel_id}/{nonce}") if nonce else None
        if known is not None:
            return _alive(known)
        _check(body)
        message = Message(
            id=self.new_id(now),
            webhook_id=self.application_id,
            place=place,
            author=people.bot(self.application_id).payload(),
            created_at=now,
            nonce=body.get("nonce"),
        )
        message.fill(body)
        if message.is_empty:
            raise empty_message()
        if nonce:
            self._nonces[f"{place.channel_id}/{nonce}"] = message
            while len(self._nonces) > NONCES_KEPT:
                self._nonces.popitem(last=False)
        self.posts.append(message)
        self.version += 1
        return message

    def open_direct(self, user_id: str) -> Place:
        """The channel of direct messages between a person and the bot."""
        place = people.direct_message(User(id=user_id, username=user_id, global_name=None))
        self.direct[place.channel_id] = place
        return place

    def place(self, channel_id: str) -> Place:
        """Return a channel that somebody has named; raises 10003."""
        known = [people.guild_channel(people.DEFAULT_GUILD, name) for name in people.CHANNELS]
        known += [webhook.place for webhook in self.webhooks.values()]
        known += [interaction.use.place for interaction in self.interactions.values()]
        found = self.direct.get(channel_id) or next((p for p in known if p.channel_id == channel_id), None)
        if found is None:
            raise DiscordError(404, 10003, "Unknown Channel")
        return found

    def messages_in(self, channel_id: str) -> list[Message]:
        """What everyone in a channel (or thread) sees, oldest first."""
        seen = [m for m in self.posts if channel_id == (m.thread_id or m.place.channel_id)]
        for interaction in self.interactions.values():
            if interaction.use.place.channel_id == channel_id:
                seen += [m for m in (interaction.original, *interaction.followups) if m is not None]
        shown = [m for m in seen if not m.deleted and not m.is_ephemeral]
        return sorted(shown, key=lambda message: int(message.id))

    # interactions

    def begin(self, use: Use, *, token: str, now: float, token_life_s: float) -> Interaction:
        """Somebody used a command."""
        interaction = Interaction(
            id=self.new_id(now),
            token=token,
            use=use,
            created_at=now,
            expires_at=now + token_life_s,
        )
        self.interactions[interaction.id] = interaction
        self._by_token[token] = interaction
        while len(self.interactions) > INTERACTIONS_KEPT:
            _, oldest = self.interactions.popitem(last=False)
            self._by_token.pop(oldest.token, None)
        self.version += 1
        return interaction

    def answer(self, interaction: Interaction, body: Mapping[str, Any], now: float) -> None:
        """Take an initial response; raises DiscordError when Discord would not."""
        interaction.check_callback(body)
        kind = int(body["type"])
        data = body.get("data") or {}
        if kind in (Callback.MESSAGE, Callback.DEFERRED_MESSAGE):
            message = self._reply(interaction, now)
            message.flags = int(data.get("flags") or 0)
            if kind == Callback.MESSAGE:
                message.fill(data)
                if message.is_empty:
                    raise empty_message()
            else:
                message.flags |= FLAG_LOADING
            interaction.original = message
        elif kind in (Callback.DEFERRED_UPDATE, Callback.UPDATE):
            interaction.original = self._pressed(interaction)
            if kind == Callback.UPDATE:
                edit(interaction.original, data, now)
        interaction.acknowledge(kind, now)
        self.version += 1

    def interaction_by_token(self, application_id: str, token: str, now: float) -> Interaction:
        """Return the living interaction of a token; raises 10015 or 50027."""
        interaction = self._by_token.get(token)
        if application_id != self.application_id:
            raise unknown_webhook()
        if interaction is None:
            raise invalid_webhook_token()
        interaction.check_token(token, now)
        return interaction

    def message(self, message_id: str) -> Message:
        """Return any living message by id; raises 10008."""
        candidates = [*self.posts]
        for interaction in self.interactions.values():
            candidates += [m for m in (interaction.original, *interaction.followups) if m is not None]
        found = next((m for m in candidates if m.id == message_id), None)
        if found is None:
            raise unknown_message()
        return _alive(found)

    def _pressed(self, interaction: Interaction) -> Message:
        """Return the message whose button or select began an interaction; raises 10008."""
        return self.message(str((interaction.use.message or {}).get("id")))

    def interaction_of(self, token: str) -> Interaction | None:
        """Return whose token this is, dead ones included."""
        return self._by_token.get(token)

    def original(self, interaction: Interaction) -> Message:
        """Return the original response; raises 10008 when there is none (any more)."""
        if interaction.original is None:
            raise unknown_message()
        return _alive(interaction.original)

    def edit_original(
        self, interaction: Interaction, body: Mapping[str, Any], now: float, *, via: str = "edit"
    ) -> Message:
        """Put the answer in the place of "thinking…", or change it."""
        message = self.original(interaction)
        edit(message, body, now)
        interaction.edited(message, now, via=via)
        self.version += 1
        return message

    def follow_up(self, interaction: Interaction, body: Mapping[str, Any], now: float) -> Message:
        """Add a message to an interaction; the first after a defer is an edit of the original."""
        if interaction.takes_followup_as_edit:
            return self.edit_original(interaction, body, now, via="followup")
        full = len(interaction.followups) >= FOLLOWUPS_OF_USER_INSTALL
        if interaction.use.user_install and full:
            raise too_many_followups()
        _check(body)
        message = self._reply(interaction, now)
        message.type = 0
        message.flags = int(body.get("flags") or 0)
        message.fill(body)
        if message.is_empty:
            raise empty_message()
        interaction.followups.append(message)
        self.version += 1
        return message

    def interaction_message(self, interaction: Interaction, message_id: str) -> Message:
        """Return the original or a follow-up by id; raises 10008."""
        candidates = [interaction.original, *interaction.followups]
        for message in candidates:
            if message is not None and message.id == message_id:
                return _alive(message)
        raise unknown_message()

    def delete(self, message: Message) -> None:
        """Delete a message."""
        message.deleted = True
        self.version += 1

    def _reply(self, interaction: Interaction, now: float) -> Message:
        use = interaction.use
        return Message(
            id=self.new_id(now),
            webhook_id=self.application_id,
            application_id=self.application_id,
            place=use.place,
            author=people.bot(self.application_id).payload(),
            created_at=now,
            type=REPLY_TO_COMMAND,
            interaction_metadata={
                "id": interaction.id,
                "type": use.type,
                "user": use.user.payload(),
                "authorizing_integration_owners": owners(use),
            },
        )


def edit(message: Message, body: Mapping[str, Any], now: float) -> None:
    """Change a message; raises 50035 or 50006 and then leaves it as it was."""
    _check(body)
    before = (message.content, message.embeds, message.components, message.attachments)
    message.fill(body)
    if message.is_empty:
        message.content, message.embeds, message.components, message.attachments = before
        raise empty_message()
    message.flags &= ~FLAG_LOADING
    message.edited_at = now


def _check(body: Mapping[str, Any]) -> None:
    errors = message_problems(body)
    if errors:
        raise invalid_form(errors)


def _alive(message: Message) -> Message:
    if message.deleted:
        raise unknown_message()
    return message

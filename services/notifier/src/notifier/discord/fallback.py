"""Another way to the person for an answer that its interaction cannot carry any more.

    token ends ─▶ dm ─ refused ─▶ channel ─ refused ─▶ a destination ─ refused ─▶ dead letter

Pure. The order is ``answers.fallback`` in ``routes.yaml``. What was asked in private is answered in
private: an ephemeral answer, and one asked in a direct message, never goes anywhere but to the person.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from notifier.discord.age import made_at
from notifier.discord.answers import split_reply
from notifier.discord.discord import File
from posta.domain.envelope import Event
from posta.domain.ids import derived_id, reference_number
from posta.domain.language import Language, language_of
from posta.domain.payloads import DiscordTarget, FallbackTarget, ReplyReady

SOURCE = "/notifier"
DM, CHANNEL = "dm", "channel"
_NOTE_ROOM = 200
_NOTE: Mapping[Language, str] = {
    "en": "{who}here is the answer to your question{when} (reference {reference}); it took too long.",
    "es": "{who}aquí tienes la respuesta a tu pregunta{when} (referencia {reference}); tardó demasiado.",
}
_WHEN: Mapping[Language, str] = {"en": " of <t:{at}:t>", "es": " de las <t:{at}:t>"}
_FILE_NAME = {"en": "answer.md", "es": "respuesta.md"}


def next_fallback(
    event: Event[ReplyReady], routes: Sequence[str], *, has_bot: bool, at: datetime
) -> Event[ReplyReady] | None:
    """The event that takes ``event``'s reply the next way; None when there is none left.

    ``routes`` holds ``dm``, ``channel`` and ids of destinations, in the order they are tried.
    """
    reply = event.data
    match reply.target:
        case DiscordTarget() as asked:
            tried: str | None = None
            root = event.id
        case FallbackTarget(asked=asked, route=route, place=place):
            tried = place if route == "destination" else route
            root = event.id.rpartition("/fallback-")[0]
        case _:
            return None
    ways = list(routes)
    left = ways[ways.index(tried) + 1 :] if tried is not None and tried in ways else ways
    for way in left:
        target = _target(way, asked, has_bot=has_bot)
        if target is not None:
            number = ways.index(way) + 1
            return Event(
                id=derived_id(root, f"fallback-{number}"),
                source=SOURCE,
                time=at,
                key=key_of(target),
                data=reply.model_copy(update={"target": target}),
            )
    return None


def key_of(target: FallbackTarget) -> str:
    """What is paced and kept in order together."""
    return target.place if target.route == "destination" else f"discord:{target.route}:{target.place}"


def _target(route: str, asked: DiscordTarget, *, has_bot: bool) -> FallbackTarget | None:
    made = made_at(asked.interaction_id)
    asked_at = None if made is None else int(made)
    is_private = asked.ephemeral or asked.guild_id is None
    if route == DM:
        place = asked.user_id if has_bot else None
        return (
            None if place is None else FallbackTarget(route="dm", place=place, asked=asked, asked_at=asked_at)
        )
    if is_private:
        return None
    if route == CHANNEL:
        place = asked.channel_id if has_bot else None
        return (
            None
            if place is None
            else FallbackTarget(route="channel", place=place, asked=asked, asked_at=asked_at)
        )
    return FallbackTarget(route="destination", place=route, asked=asked, asked_at=asked_at)


def fallback_message(
    event: Event[ReplyReady], target: FallbackTarget
) -> tuple[dict[str, Any], tuple[File, ...]]:
    """The message that shows a reply out of its interaction, and the file for what it is too long for."""
    language = language_of(event.data.locale)
    who = f"<@{target.asked.user_id}> " if target.route != "dm" and target.asked.user_id else ""
    when = _WHEN[language].format(at=target.asked_at) if target.asked_at is not None else ""
    reference = reference_number(event.data.question_id)
    note = _NOTE[language].format(who=who, when=when, reference=reference)
    note = note[:1].upper() + note[1:]
    split = split_reply(event.data, 1, limit=2000 - _NOTE_ROOM)
    mentioned = [target.asked.user_id] if who else []
    body = {
        "content": f"{note}\n\n{split.parts[0]}",
        "allowed_mentions": {"parse": [], "users": mentioned} if mentioned else {"parse": []},
    }
    if split.rest is None:
        return body, ()
    return body, (File(name=_FILE_NAME[language], content=split.rest.encode()),)

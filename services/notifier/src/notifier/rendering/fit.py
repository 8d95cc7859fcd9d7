"""Makes a message fit into all of Discord's limits, so that what was cut can be seen to be cut.

Pure. Discord counts code points (discord-api-docs #1315), and the text of all embeds together.
"""

from collections.abc import Mapping
from typing import Any

from notifier.rendering.clip import CONTENT_LIMIT, clip

EMBEDS_LIMIT = 10
TOTAL_LIMIT = 6000
TITLE_LIMIT = 256
DESCRIPTION_LIMIT = 4096
FIELDS_LIMIT = 25
FIELD_NAME_LIMIT = 256
FIELD_VALUE_LIMIT = 1024
FOOTER_LIMIT = 2048
AUTHOR_LIMIT = 256
URL_LIMIT = 2048
BUTTON_LABEL_LIMIT = 80
BUTTON_URL_LIMIT = 512
BUTTONS_LIMIT = 25
_BUTTONS_IN_A_ROW = 5
USERNAME_LIMIT = 80
_FORBIDDEN_IN_NAMES = ("clyde", "discord")
_EMPTY = "—"
_NOTE_SIZE = 40


def fit(message: Mapping[str, Any]) -> dict[str, Any]:
    """``message`` within every limit; embeds and fields without anything to show are left out."""
    fitted = dict(message)
    if fitted.get("content"):
        fitted["content"] = clip(str(fitted["content"]).strip(), CONTENT_LIMIT)
    embeds = [fit_embed(embed) for embed in message.get("embeds", ())]
    if embeds or "embeds" in message:
        fitted["embeds"] = _within_total([embed for embed in embeds if _shows_text(embed)][:EMBEDS_LIMIT])
    if fitted.get("username"):
        fitted["username"] = fit_username(str(fitted["username"]))
    return {name: value for name, value in fitted.items() if value is not None}


def fit_embed(embed: Mapping[str, Any]) -> dict[str, Any]:
    """One embed, each of its texts within its own limit."""
    fitted = dict(embed)
    for name, limit in (("title", TITLE_LIMIT), ("description", DESCRIPTION_LIMIT)):
        text = clip(str(fitted.pop(name, None) or "").strip(), limit)
        if text:
            fitted[name] = text
    for name, key, limit in (("footer", "text", FOOTER_LIMIT), ("author", "name", AUTHOR_LIMIT)):
        text = clip(str((fitted.pop(name, None) or {}).get(key) or "").strip(), limit)
        if text:
            fitted[name] = {key: text}
    if not is_link(fitted.get("url"), URL_LIMIT):
        fitted.pop("url", None)
    fitted["fields"] = _fit_fields(list(fitted.get("fields") or ()))
    return fitted


def fit_username(name: str) -> str | None:
    """A webhook's name that Discord takes; None: the webhook's own."""
    name = clip(name.strip(), USERNAME_LIMIT)
    return None if not name or any(word in name.lower() for word in _FORBIDDEN_IN_NAMES) else name


def link_buttons(buttons: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Rows of buttons that open addresses, from labels and URLs; those without a good URL are left out."""
    drawn = [
        {"type": 2, "style": 5, "label": clip(label.strip(), BUTTON_LABEL_LIMIT), "url": url}
        for label, url in buttons[:BUTTONS_LIMIT]
        if label.strip() and is_link(url, BUTTON_URL_LIMIT)
    ]
    rows = range(0, len(drawn), _BUTTONS_IN_A_ROW)
    return [{"type": 1, "components": drawn[at : at + _BUTTONS_IN_A_ROW]} for at in rows]


def is_link(url: object, limit: int) -> bool:
    """Whether Discord would take ``url`` as an address."""
    return isinstance(url, str) and url.startswith(("https://", "http://")) and len(url) <= limit


def _fit_fields(fields: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    shown = [
        {
            "name": clip(str(field.get("name") or "").strip(), FIELD_NAME_LIMIT) or _EMPTY,
            "value": clip(str(field.get("value") or "").strip(), FIELD_VALUE_LIMIT) or _EMPTY,
            "inline": bool(field.get("inline")),
        }
        for field in fields
    ]
    if len(shown) <= FIELDS_LIMIT:
        return shown
    return [*shown[: FIELDS_LIMIT - 1], _more(len(shown) - FIELDS_LIMIT + 1)]


def _more(hidden: int) -> dict[str, Any]:
    return {"name": "…", "value": f"+{hidden}", "inline": False}


def _within_total(embeds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Take from the last embed first: its fields, then its description, then all of it."""
    over = sum(map(size_of, embeds)) - TOTAL_LIMIT
    while over > 0 and embeds:
        last = embeds[-1]
        before = size_of(last)
        if last["fields"]:
            last["fields"] = _fewer_fields(last["fields"], over)
        elif last.get("description"):
            room = max(0, len(last["description"]) - over)
            last["description"] = clip(last["description"], room)
            if not last["description"]:
                del last["description"]
        else:
            embeds.pop()
        over -= before - (size_of(last) if embeds and embeds[-1] is last else 0)
    return embeds


def _fewer_fields(fields: list[dict[str, Any]], over: int) -> list[dict[str, Any]]:
    kept, hidden, freed = list(fields), 0, 0
    while kept and freed < over + _NOTE_SIZE:
        gone = kept.pop()
        hidden += 1
        freed += len(gone["name"]) + len(gone["value"])
    return [*kept, _more(hidden)] if kept else []


def size_of(embed: Mapping[str, Any]) -> int:
    """What an embed counts towards the limit over all embeds, in code points."""
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    texts += [text for field in embed.get("fields") or () for text in (field["name"], field["value"])]
    return sum(len(str(text)) for text in texts if text)


def _shows_text(embed: Mapping[str, Any]) -> bool:
    return size_of(embed) > 0 or bool(embed.get("image") or embed.get("thumbnail"))

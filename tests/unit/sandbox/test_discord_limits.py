import pytest

from posta_sandbox.discord.limits import embed_chars, message_problems


def codes(errors):
    if isinstance(errors, dict) and "_errors" in errors:
        return {e["code"] for e in errors["_errors"]}
    return {code for nested in errors.values() for code in codes(nested)}


FIELD = {"name": "n", "value": "v"}


@pytest.mark.parametrize(
    "body",
    [
        {"content": "x" * 2000},
        {"content": "😀" * 2000},
        {"content": " " * 50 + "x" * 2000},
        {"content": None},
        {"embeds": [{"title": "x" * 256, "description": "x" * 4096}]},
        {"embeds": [{"fields": [FIELD] * 25}] * 10},
        {"embeds": [{"color": 0xFFFFFF, "timestamp": "2026-01-01T00:00:00Z"}]},
        {"username": "x" * 80},
        {"allowed_mentions": {"parse": []}},
        {"allowed_mentions": {"parse": ["roles"], "users": ["1"] * 100}},
        {"flags": 4 | 64 | 4096},
        {"components": [{"type": 1, "components": [{"type": 2, "custom_id": "a" * 100}]}]},
        {"flags": 1 << 15, "components": [{"type": 10, "content": "hello"}]},
    ],
)
def test_what_is_within_the_limits_is_well_formed(body):
    assert message_problems(body) == {}


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"content": "x" * 2001}, ["content"], "BASE_TYPE_MAX_LENGTH"),
        ({"content": ["x"]}, ["content"], "STRING_TYPE_CONVERT"),
        ({"embeds": [{}] * 11}, ["embeds"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": {}}, ["embeds"], "LIST_TYPE_CONVERT"),
        ({"embeds": ["x"]}, ["embeds", "0"], "MODEL_TYPE_CONVERT"),
        ({"embeds": [{}, {"title": "x" * 257}]}, ["embeds", "1", "title"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "x" * 4097}]}, ["embeds", "0", "description"],
         "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"fields": [FIELD] * 26}]}, ["embeds", "0", "fields"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"fields": [{"name": "n"}]}]}, ["embeds", "0", "fields", "0", "value"],
         "BASE_TYPE_REQUIRED"),
        ({"embeds": [{"fields": [{"name": "n", "value": "v" * 1025}]}]},
         ["embeds", "0", "fields", "0", "value"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"footer": {"text": "x" * 2049}}]}, ["embeds", "0", "footer", "text"],
         "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"author": {"name": "x" * 257}}]}, ["embeds", "0", "author", "name"],
         "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"color": 0x1000000}]}, ["embeds", "0", "color"], "NUMBER_TYPE_MAX"),
        ({"embeds": [{"timestamp": "today"}]}, ["embeds", "0", "timestamp"],
         "DATE_TIME_TYPE_PARSE"),
        ({"embeds": [{"url": "javascript:alert(1)"}]}, ["embeds", "0", "url"],
         "URL_TYPE_INVALID_URL"),
        ({"embeds": [{"url": "ftp://x.y"}]}, ["embeds", "0", "url"], "URL_TYPE_INVALID_SCHEME"),
        ({"embeds": [{"description": "x" * 3001}] * 2}, ["embeds"], "MAX_EMBED_SIZE_EXCEEDED"),
        ({"username": "my Discord bot"}, ["username"], "USERNAME_INVALID_CONTAINS"),
        ({"username": "x" * 81}, ["username"], "BASE_TYPE_MAX_LENGTH"),
        ({"allowed_mentions": {"parse": ["me"]}}, ["allowed_mentions", "parse", "0"],
         "BASE_TYPE_CHOICES"),
        ({"allowed_mentions": {"parse": ["users"], "users": ["1"]}}, ["allowed_mentions"],
         "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"),
        ({"allowed_mentions": {"users": ["1"] * 101}}, ["allowed_mentions", "users"],
         "BASE_TYPE_MAX_LENGTH"),
        ({"flags": 128}, ["flags"], "MESSAGE_FLAGS_INVALID"),
        ({"components": [{"type": 1}] * 6}, ["components"], "BASE_TYPE_MAX_LENGTH"),
        ({"flags": 1 << 15, "content": "x"}, ["content"],
         "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"),
    ],
)  # fmt: skip
def test_each_limit_is_reported_at_its_place(body, path, code):
    errors = message_problems(body)
    for part in path:
        errors = errors[part]
    assert codes(errors) == {code}


def test_embed_text_is_counted_without_white_space_at_its_ends():
    embed = {"title": " ab ", "footer": {"text": "c"}, "fields": [{"name": "d", "value": "ef"}]}
    assert embed_chars(embed) == 6

-- notifier: Discord's limits shared by all its processes, registered destinations, and messages that stand.

-- One row per process and global limit: its lease on a part of the calls per second.
CREATE TABLE discord_share (
    scope      text NOT NULL,      -- what the limit holds for: an address, or a bot
    member     text NOT NULL,
    held       integer NOT NULL,   -- slots that nobody else may use while the row lives
    wanted     integer NOT NULL,
    weight     integer NOT NULL,   -- destinations served lately
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (scope, member)
);
-- Answers 401, 403 and 429 by minute: 10 000 in ten minutes get the address banned.
CREATE TABLE discord_refusals (
    scope   text NOT NULL,
    minute  bigint NOT NULL,       -- since the epoch
    refused integer NOT NULL,
    PRIMARY KEY (scope, minute)
);
-- Until when everything is closed, after a global 429 or a block.
CREATE TABLE discord_closed (
    scope text PRIMARY KEY,
    until timestamptz NOT NULL
);

-- `posta destinations` registers, notifier delivers, ingress accepts events for them.
CREATE TABLE destination (
    id          text PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('webhook', 'channel', 'person')),
    description text NOT NULL,
    place_id    text NOT NULL,     -- Discord's id of the webhook, channel or user
    sealed_url  bytea,             -- a webhook's URL, encrypted; never shown again
    channel_id  text,              -- the webhook's channel, whose hidden limit its webhooks share
    guild_id    text,
    thread_id   text,
    username    text,
    avatar_url  text,
    language    text NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'es')),
    owner       text,              -- the destination that is told when this one is disabled
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (kind, place_id, thread_id),
    CHECK ((kind = 'webhook') = (sealed_url IS NOT NULL))
);
-- Destinations that nothing is sent to any more, those of destinations.yaml included.
CREATE TABLE destination_disabled (
    id    text PRIMARY KEY,
    why   text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

-- Messages that later events edit: by their dedupe_key (counted) or their thread_key (replaced).
CREATE TABLE standing_message (
    destination text NOT NULL,
    publisher   text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('dedupe', 'thread')),
    key         text NOT NULL,
    message_id  text,              -- NULL until Discord has told it
    first_event text NOT NULL,
    last_event  text NOT NULL,
    repeats     integer NOT NULL DEFAULT 1,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (destination, publisher, kind, key)
);
CREATE INDEX standing_message_age ON standing_message (updated_at);
CREATE TABLE standing_event (
    event_id    text PRIMARY KEY,  -- counted once, however often it is delivered
    destination text NOT NULL,
    first_event text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX standing_event_age ON standing_event (at);

-- Events that wait to be summed up in one message.
CREATE TABLE digest_entry (
    destination text NOT NULL,
    event_id    text NOT NULL,
    rule        text NOT NULL,
    title       text NOT NULL,
    severity    text NOT NULL,
    source      text NOT NULL,
    publisher   text NOT NULL,
    at          timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    digest_id   text,              -- the event that sums it up, once that is decided
    published   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (destination, event_id)
);
CREATE INDEX digest_entry_due ON digest_entry (due_at) WHERE NOT published;

-- What each service must remember. Every table has one writer service, named in its comment.

-- llm-worker: one row per question; the stored answer makes a redelivery free.
CREATE TABLE answer (
    event_id     text PRIMARY KEY,
    state        text NOT NULL CHECK (state IN ('claimed', 'answered')),
    owner        text NOT NULL,
    fence        bigint NOT NULL DEFAULT 1,   -- grows with each claim; a late writer with an old one loses
    lease_until  timestamptz NOT NULL,
    calls        integer NOT NULL DEFAULT 0,  -- calls to the provider that were begun
    model        text,
    text         text,
    tokens_in    integer,
    tokens_out   integer,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);

-- notifier: one row per thing to deliver; tells a repetition from a first try, and an unknown outcome from none.
CREATE TABLE delivery (
    event_id     text PRIMARY KEY,
    medium       text NOT NULL CHECK (medium IN ('discord', 'webhook', 'email')),
    state        text NOT NULL CHECK (state IN ('sending', 'sent', 'failed')),
    attempts     integer NOT NULL DEFAULT 1,
    message_id   text,                        -- Discord's id, or the mail's Message-ID
    body_sha256  text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX delivery_message_id ON delivery (message_id) WHERE message_id IS NOT NULL;

-- email-poller: the mailbox cursor, and every message taken, until Kafka has its event.
CREATE TABLE mailbox (
    account      text NOT NULL,
    mailbox      text NOT NULL,
    uidvalidity  bigint NOT NULL,
    last_uid     bigint NOT NULL DEFAULT 0,
    catch_up     text CHECK (catch_up IN ('unseen', 'rescan')),  -- how UIDs up to floor_uid are chosen; NULL: done with
    floor_uid    bigint NOT NULL DEFAULT 0,   -- newest UID at first contact, or when UIDVALIDITY changed
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, mailbox)
);
CREATE TABLE mail_taken (
    account      text NOT NULL,
    mailbox      text NOT NULL,
    uidvalidity  bigint NOT NULL,
    uid          bigint NOT NULL,
    event_id     text NOT NULL,
    state        text NOT NULL CHECK (state IN ('pending', 'published', 'ignored')),
    why          text,                        -- why it was ignored
    message_id   text,
    content_hash text NOT NULL,
    sender_hash  text,                        -- for the cap of answers per sender
    event_key    text,
    event_value  bytea,                       -- the payload until it is published, then NULL
    traceparent  text,
    taken_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, mailbox, uidvalidity, uid)
);
CREATE INDEX mail_taken_pending ON mail_taken (taken_at) WHERE state = 'pending';
CREATE INDEX mail_taken_content ON mail_taken (account, content_hash);
CREATE INDEX mail_taken_sender ON mail_taken (account, sender_hash, taken_at) WHERE sender_hash IS NOT NULL;

-- dlq-admin: every dead letter with its original bytes, and what admins did.
CREATE TABLE dead_letter (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer_group  text NOT NULL,
    dlq_topic       text NOT NULL,
    dlq_partition   integer NOT NULL,
    dlq_offset      bigint NOT NULL,
    original_topic      text NOT NULL,
    original_partition  integer NOT NULL,
    original_offset     bigint NOT NULL,
    original_timestamp  timestamptz,
    event_id        text,
    event_type      text,
    error_class     text,
    reason          text,
    exception_type  text,
    exception_message text,
    exception_stack text,
    fingerprint     text,
    attempts        integer,
    redrive         integer NOT NULL DEFAULT 0,
    first_failure   timestamptz,
    last_failure    timestamptz,
    service_version text,
    trace_id        text,
    record_key      bytea,
    record_value    bytea,
    record_headers  jsonb NOT NULL,           -- [[name, base64 value], …] in order
    state           text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'replaying', 'replayed', 'discarded')),
    indexed_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (dlq_topic, dlq_partition, dlq_offset)
);
CREATE INDEX dead_letter_open ON dead_letter (state, id DESC);
CREATE INDEX dead_letter_fingerprint ON dead_letter (fingerprint);
CREATE INDEX dead_letter_event ON dead_letter (event_id);
CREATE TABLE dead_letter_action (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dead_letter_id bigint NOT NULL REFERENCES dead_letter (id),
    action         text NOT NULL CHECK (action IN ('replay', 'discard')),
    actor          text NOT NULL,
    reason         text,
    outcome        text NOT NULL,
    at             timestamptz NOT NULL DEFAULT now()
);

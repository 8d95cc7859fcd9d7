-- What ingress promises about published events, and the mailbox for bots that poll.

-- ingress notes what it accepted and what was cancelled, notifier what it took to be sent. Whoever comes first
-- makes the row, so an event that was accepted while the database was away is known as soon as it is handled.
CREATE TABLE published_event (
    event_id     text PRIMARY KEY,
    publisher    text NOT NULL,
    client_type  text NOT NULL,
    destination  text NOT NULL,
    accepted_at  timestamptz NOT NULL,
    deliver_at   timestamptz,
    expires_at   timestamptz,
    trace_id     text,
    claimed_at   timestamptz,   -- an attempt to send it is under way, or was made and not refused
    settled_at   timestamptz,   -- notifier is done with it: delivered, folded into another, routed on or dropped
    copies       integer NOT NULL DEFAULT 0,  -- events it was routed on as, each with an id derived from its own
    cancelled_at timestamptz,   -- never together with claimed_at
    cancelled_by text,
    CHECK (claimed_at IS NULL OR cancelled_at IS NULL)
);
CREATE INDEX published_event_age ON published_event (accepted_at);

-- An event's deliveries are those with its id and with ids derived from it, <id>/<step>.
CREATE INDEX delivery_event_prefix ON delivery (event_id text_pattern_ops);

-- ingress: the first answer to each Idempotency-Key, for 24 hours.
CREATE TABLE idempotency_key (
    publisher       text NOT NULL,
    key             text NOT NULL,
    request_sha256  bytea NOT NULL,
    owner           text NOT NULL,     -- the request that holds it, until it is answered
    held_until      timestamptz NOT NULL,
    status          integer,           -- NULL: not answered yet
    answer          text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (publisher, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);

-- notifier puts events in, ingress lends them to bots that poll.
CREATE TABLE pull_event (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     text NOT NULL UNIQUE,
    destination  text NOT NULL,
    publisher    text NOT NULL,
    client_type  text NOT NULL,
    source       text NOT NULL,
    subject      text,
    occurred_at  text NOT NULL,
    data         jsonb NOT NULL,
    state        text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'leased', 'processed', 'failed')),
    attempts     integer NOT NULL DEFAULT 0,   -- times it was lent
    lease        text,
    leased_until timestamptz,
    consumer     text,                         -- name of the API key that has, or had, it
    error        text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX pull_event_prefix ON pull_event (event_id text_pattern_ops);
CREATE INDEX pull_event_waiting ON pull_event (id) WHERE state IN ('pending', 'leased');
CREATE INDEX pull_event_done ON pull_event (updated_at) WHERE state IN ('processed', 'failed');

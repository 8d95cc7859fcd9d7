-- dlq-admin: replays that survive a crash, and requests that are carried out once.

-- Whoever finds a lease over publishes the record again.
ALTER TABLE dead_letter ADD COLUMN replay_lease_until timestamptz;
CREATE INDEX dead_letter_replaying ON dead_letter (replay_lease_until) WHERE state = 'replaying';
CREATE INDEX dead_letter_action_letter ON dead_letter_action (dead_letter_id, id);

-- One row per Idempotency-Key of an API key: what it was used for, and which dead letters that claimed.
CREATE TABLE dead_letter_request (
    actor           text NOT NULL,
    key             text NOT NULL,
    request_sha256  text NOT NULL,
    dead_letter_ids bigint[] NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, key)
);
CREATE INDEX dead_letter_request_at ON dead_letter_request (at);

-- llm-worker: what was said, so that the next answer knows it. A conversation is named by the events' key.
CREATE TABLE conversation (
    id              text PRIMARY KEY,
    person          text NOT NULL,             -- discord:<id> or email:<address>; erasing a person goes by it
    language        text NOT NULL,
    summary         text NOT NULL DEFAULT '',  -- of the turns up to summarised_to
    summary_tokens  integer NOT NULL DEFAULT 0,
    summarised_to   bigint NOT NULL DEFAULT 0,
    open_tokens     integer NOT NULL DEFAULT 0, -- of the turns after it
    fence           bigint NOT NULL DEFAULT 0, -- grows with each claim to summarise; a late writer loses
    claimed_until   timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX conversation_person ON conversation (person);
CREATE INDEX conversation_updated ON conversation (updated_at);
CREATE INDEX conversation_long ON conversation (open_tokens) WHERE open_tokens > 1000;
CREATE TABLE conversation_turn (
    conversation  text NOT NULL REFERENCES conversation ON DELETE CASCADE,
    number        bigint NOT NULL,
    event_id      text NOT NULL UNIQUE,        -- a redelivery adds no second turn
    question      text NOT NULL,
    answer        text NOT NULL,
    tokens        integer NOT NULL,
    at            timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation, number)
);

-- llm-worker: answers to repeated questions, and who is asking one right now.
CREATE TABLE cached_answer (
    key            text PRIMARY KEY,           -- hash of the reduced question, its scope, catalogue and instruction
    scope          text NOT NULL,
    state          text NOT NULL CHECK (state IN ('asking', 'ready')),
    event_id       text NOT NULL,              -- whose call it is or was: the provenance of every hit
    asking_until   timestamptz,                -- then another event may ask
    text           text,
    model          text,
    hits           bigint NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL
);
CREATE INDEX cached_answer_expires ON cached_answer (expires_at);

-- ingress: sliding windows of its limits. Unlogged: after a crash of the server they begin anew.
CREATE UNLOGGED TABLE governor_window (
    key      text PRIMARY KEY,
    hits     double precision[] NOT NULL DEFAULT '{}',  -- seconds since the epoch, oldest first
    ends_at  timestamptz NOT NULL                       -- afterwards no hit counts any more
);
CREATE INDEX governor_window_ends ON governor_window (ends_at);

-- ingress, llm-worker and notifier: what became of each interaction, for people to look at. Best effort;
-- nothing that must not be lost or doubled depends on it.
CREATE TABLE interaction (
    id             text PRIMARY KEY,                    -- Discord's interaction id
    application_id text,
    kind           integer,
    command        text,
    guild_id       text,
    state          text NOT NULL CHECK (state IN ('PENDING', 'PROCESSING', 'RETRYING', 'COMPLETED', 'FAILED')),
    attempts       integer NOT NULL DEFAULT 0,
    reason         text,                                -- why it failed, or is tried again
    trace_id       text,
    accepted_at    timestamptz,
    started_at     timestamptz,                         -- the first attempt
    finished_at    timestamptz,
    noted_at       timestamptz NOT NULL                 -- when the state was as it is, by its writer's clock
);
CREATE INDEX interaction_noted ON interaction (noted_at);
CREATE INDEX interaction_pending ON interaction (accepted_at) WHERE state = 'PENDING';
CREATE INDEX interaction_started ON interaction (started_at) WHERE started_at IS NOT NULL;

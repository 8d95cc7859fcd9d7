-- llm-worker: what each call to a provider cost, one row a call, and each answer that needed none.
-- A row begins with the most that the call can come to, before it is made; of a call whose worker died that stays.
CREATE TABLE llm_usage (
    id             uuid PRIMARY KEY,
    event_id       text NOT NULL,
    conversation   text NOT NULL,
    tenant         text NOT NULL,              -- guild:<id>, person:<id>, mailbox:<account> or summaries
    day            date NOT NULL,              -- of the budget's time zone
    provider       text NOT NULL DEFAULT '',   -- '' for an answer without a call
    model          text NOT NULL DEFAULT '',
    outcome        text NOT NULL,              -- begun, then as in metrics; lost; or faq, cache, delivery: no call
    tokens_in      integer NOT NULL DEFAULT 0,
    tokens_cached  integer NOT NULL DEFAULT 0, -- of tokens_in
    tokens_out     integer NOT NULL DEFAULT 0,
    is_estimated   boolean NOT NULL DEFAULT false,
    is_used        boolean NOT NULL DEFAULT false, -- its answer was given; a call that was not was paid for in vain
    cost           numeric NOT NULL DEFAULT 0,
    currency       text NOT NULL DEFAULT '',
    begun_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at       timestamptz
);
CREATE INDEX llm_usage_by_day ON llm_usage (day, tenant);
CREATE INDEX llm_usage_by_conversation ON llm_usage (conversation);
CREATE INDEX llm_usage_begun ON llm_usage (begun_at) WHERE outcome = 'begun';

-- llm-worker: days whose rows are too old to be kept one by one.
CREATE TABLE llm_usage_day (
    day            date NOT NULL,
    tenant         text NOT NULL,
    provider       text NOT NULL,
    model          text NOT NULL,
    outcome        text NOT NULL,
    is_used        boolean NOT NULL,
    currency       text NOT NULL,
    calls          bigint NOT NULL,
    tokens_in      bigint NOT NULL,
    tokens_cached  bigint NOT NULL,
    tokens_out     bigint NOT NULL,
    cost           numeric NOT NULL,
    PRIMARY KEY (day, tenant, provider, model, outcome, is_used, currency)
);

-- llm-worker: what counts against a tenant's budget of a day, calls under way at their most included.
CREATE TABLE llm_tenant_day (
    day            date NOT NULL,
    tenant         text NOT NULL,
    cost           numeric NOT NULL DEFAULT 0,
    tokens         bigint NOT NULL DEFAULT 0,
    currency       text NOT NULL DEFAULT '',
    refused        bigint NOT NULL DEFAULT 0,  -- questions that were not asked for want of it
    warned_at      timestamptz,
    stopped_at     timestamptz,                -- when the first was refused
    PRIMARY KEY (day, tenant)
) WITH (fillfactor = 60);                      -- a tenant's row of today is rewritten with each call

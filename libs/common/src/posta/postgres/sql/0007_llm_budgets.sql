-- llm-worker: what the group shares about each provider, model and key (see llm_worker.budget.book):
-- the use of its limits, who waits, what the provider told, and its circuit.
CREATE TABLE llm_book (
    bucket       text PRIMARY KEY,
    book         jsonb,                       -- NULL until the first visit
    updated_at   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 40);                     -- one small row, rewritten often: room for it on its page

-- llm-worker: a replay "from scratch" pays once more, and only once: the last one that was honoured.
ALTER TABLE answer ADD COLUMN scratch text;

-- Claims that are not answers yet are few; whoever counts them should not read every answer.
CREATE INDEX answer_claimed ON answer (lease_until) WHERE state = 'claimed';

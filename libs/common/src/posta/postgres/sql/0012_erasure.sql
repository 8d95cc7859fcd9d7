-- llm-worker: who said each turn (several write in one mail thread), and when somebody was erased.
ALTER TABLE conversation_turn ADD COLUMN person text;   -- NULL: written by an older version; the conversation's
CREATE INDEX conversation_turn_person ON conversation_turn (person);
UPDATE conversation_turn t SET person = c.person FROM conversation c WHERE c.id = t.conversation;
CREATE TABLE erasure (
    at             timestamptz NOT NULL DEFAULT now(),
    erased_by      text NOT NULL,             -- an operator's name, or 'the person'
    person_hash    text NOT NULL,             -- SHA-256 of discord:<id> or email:<address>
    conversations  integer NOT NULL,
    turns          integer NOT NULL,
    answers        integer NOT NULL,
    shared         integer NOT NULL
);
CREATE INDEX erasure_person ON erasure (person_hash);

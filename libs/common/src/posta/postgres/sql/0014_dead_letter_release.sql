-- dlq-admin: dead letters that hold their key (ordered retries), and how the keys are released.

ALTER TABLE dead_letter ADD COLUMN holds_key boolean NOT NULL DEFAULT false;
-- Set while a release has to be published; whoever finds the moment passed publishes it (again).
ALTER TABLE dead_letter ADD COLUMN release_due timestamptz;
ALTER TABLE dead_letter ADD COLUMN released_at timestamptz;
CREATE INDEX dead_letter_releasing ON dead_letter (release_due) WHERE release_due IS NOT NULL;
CREATE INDEX dead_letter_holding ON dead_letter (id DESC) WHERE holds_key AND released_at IS NULL;

ALTER TABLE dead_letter_action DROP CONSTRAINT dead_letter_action_action_check;
ALTER TABLE dead_letter_action ADD CONSTRAINT dead_letter_action_action_check
    CHECK (action IN ('replay', 'discard', 'release'));

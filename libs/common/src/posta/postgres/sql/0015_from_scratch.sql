-- dlq-admin: whether the replay that is under way wants its question answered anew, and paid for again.
ALTER TABLE dead_letter ADD COLUMN from_scratch boolean NOT NULL DEFAULT false;

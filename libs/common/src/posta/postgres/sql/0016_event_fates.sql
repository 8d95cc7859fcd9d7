-- What became of an event, told from its digests and copies, too; each found without reading the whole table.

-- The one place where an event's digests are asked for; '' in digest_id: left out, because it was cancelled.
CREATE INDEX digest_entry_event ON digest_entry (event_id);
CREATE INDEX digest_entry_waiting ON digest_entry (destination, rule) WHERE digest_id IS NULL;
CREATE INDEX digest_entry_age ON digest_entry (at) WHERE published;
-- An event's copies are those with ids derived from it, <id>/to-<destination>.
CREATE INDEX published_event_copy ON published_event (event_id text_pattern_ops) WHERE event_id LIKE '%/to-%';
-- Each delivery and each event for a bot had to keep these up, which nothing reads any more.
DROP INDEX delivery_event_prefix;
DROP INDEX pull_event_prefix;

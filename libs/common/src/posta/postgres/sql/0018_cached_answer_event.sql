-- An answer is shared, and let go, by the event that asked for it: also while its conversation goes on.
CREATE INDEX cached_answer_event ON cached_answer (event_id);

"""The SQL of the dead-letter index, by name; values are always parameters."""

# ruff: noqa: S608 - put together from the constants of this file only

_READING = (
    "consumer_group, dlq_topic, dlq_partition, dlq_offset, original_topic, original_partition, "
    "original_offset, original_timestamp, event_id, event_type, error_class, reason, exception_type, "
    "exception_message, exception_stack, fingerprint, attempts, redrive, first_failure, last_failure, "
    "service_version, trace_id, holds_key"
)
_SUMMARY = "id, state, indexed_at, updated_at, release_due, released_at, " + _READING
_RECORD = "record_key, record_value, record_headers::text AS record_headers"

ADD = (
    "INSERT INTO dead_letter (" + _READING + ", record_key, record_value, record_headers) VALUES "
    "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, "
    "$23, $24, $25, $26::text::jsonb) "
    "ON CONFLICT (dlq_topic, dlq_partition, dlq_offset) DO NOTHING RETURNING id"
)

_FITS = (
    "($1::text IS NULL OR consumer_group = $1) "
    "AND ($2::text IS NULL OR error_class = $2) "
    "AND ($3::text IS NULL OR state = $3) "
    "AND ($4::text IS NULL OR fingerprint = $4) "
    "AND ($5::text IS NULL OR event_type = $5) "
    "AND ($6::text IS NULL OR trace_id = lower(trim(both '%' from $6)) "
    "OR left(encode(sha256(convert_to(event_id, 'UTF8')), 'hex'), 8) "
    "= lower(replace(trim(both '%' from $6), '-', '')) OR reason ILIKE $6 "
    "OR exception_type ILIKE $6 OR exception_message ILIKE $6 OR event_id ILIKE $6 OR event_type ILIKE $6) "
    "AND (NOT $7::boolean OR (holds_key AND released_at IS NULL AND state = 'open'))"
)
FIND = (
    "SELECT " + _SUMMARY + " FROM dead_letter WHERE " + _FITS + " "
    "AND ($8::bigint IS NULL OR id < $8) ORDER BY id DESC LIMIT $9"
)
ALIKE = (
    "SELECT fingerprint, consumer_group, count(*) AS count, min(indexed_at) AS oldest, "
    "max(indexed_at) AS newest, (array_agg(error_class ORDER BY id DESC))[1] AS error_class, "
    "(array_agg(exception_type ORDER BY id DESC))[1] AS exception_type, "
    "(array_agg(reason ORDER BY id DESC))[1] AS reason "
    "FROM dead_letter WHERE " + _FITS + " GROUP BY consumer_group, fingerprint "
    "ORDER BY count(*) DESC, max(id) DESC LIMIT $8"
)
GET = "SELECT " + _SUMMARY + ", " + _RECORD + " FROM dead_letter WHERE id = $1"
AUDIT = (
    "SELECT action, actor, reason, outcome, at FROM dead_letter_action WHERE dead_letter_id = $1 ORDER BY id"
)
SAME_EVENT = (
    "SELECT " + _SUMMARY + " FROM dead_letter WHERE event_id = $1 AND consumer_group = $2 AND id <> $3 "
    "ORDER BY id LIMIT 100"
)

_STANDING = "id, state FROM dead_letter "
CHOOSE_IDS = "SELECT " + _STANDING + "WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE"
CHOOSE_FITTING = (
    "SELECT " + _STANDING + "WHERE state = 'open' AND " + _FITS + " "
    "ORDER BY id LIMIT $8 FOR UPDATE SKIP LOCKED"
)
MARK_REPLAYING = (
    "UPDATE dead_letter SET state = 'replaying', updated_at = now(), from_scratch = $3, "
    "replay_lease_until = now() + make_interval(secs => $2) WHERE id = ANY($1::bigint[])"
)
MARK_DISCARDED = (
    "UPDATE dead_letter SET state = 'discarded', updated_at = now(), release_due = "
    "CASE WHEN holds_key AND released_at IS NULL THEN coalesce(release_due, now()) ELSE release_due END "
    "WHERE id = ANY($1::bigint[])"
)
MARK_RELEASING = (
    "UPDATE dead_letter SET updated_at = now(), release_due = coalesce(release_due, now()) "
    "WHERE id = ANY($1::bigint[])"
)
NOTE = (
    "INSERT INTO dead_letter_action (dead_letter_id, action, actor, reason, outcome) "
    "SELECT id, $2, $3, $4, $5 FROM unnest($1::bigint[]) AS id ORDER BY id"
)

REMEMBER_REQUEST = (
    "INSERT INTO dead_letter_request (actor, key, request_sha256, dead_letter_ids) "
    "VALUES ($1, $2, $3, '{}') ON CONFLICT DO NOTHING RETURNING key"
)
KNOWN_REQUEST = (
    "SELECT request_sha256, dead_letter_ids FROM dead_letter_request WHERE actor = $1 AND key = $2"
)
COMPLETE_REQUEST = "UPDATE dead_letter_request SET dead_letter_ids = $3 WHERE actor = $1 AND key = $2"
DROP_REQUEST = "DELETE FROM dead_letter_request WHERE actor = $1 AND key = $2"
FORGET_REQUESTS = "DELETE FROM dead_letter_request WHERE at < now() - make_interval(secs => $1)"

LEASE = (
    "UPDATE dead_letter SET replay_lease_until = now() + make_interval(secs => $1) WHERE id IN ("
    "SELECT id FROM dead_letter WHERE state = 'replaying' AND "
    "CASE WHEN $2::bigint[] IS NULL THEN coalesce(replay_lease_until, '-infinity') <= now() "
    "ELSE id = ANY($2::bigint[]) END "
    "ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED) "
    "RETURNING from_scratch, " + _SUMMARY + ", " + _RECORD
)
# The audit entry names who asked for the replay, also when another process finishes it.
END_REPLAY = (
    "WITH ended AS (UPDATE dead_letter SET state = $2, updated_at = now(), replay_lease_until = NULL "
    "WHERE id = $1 AND state = 'replaying' RETURNING id), "
    "asked AS (SELECT actor, reason FROM dead_letter_action WHERE dead_letter_id = $1 "
    "AND action = 'replay' AND outcome = 'started' ORDER BY id DESC LIMIT 1) "
    "INSERT INTO dead_letter_action (dead_letter_id, action, actor, reason, outcome) "
    "SELECT ended.id, 'replay', coalesce(asked.actor, 'unknown'), asked.reason, $3 "
    "FROM ended LEFT JOIN asked ON true RETURNING id"
)

LEASE_RELEASES = (
    "UPDATE dead_letter SET release_due = now() + make_interval(secs => $1) WHERE id IN ("
    "SELECT id FROM dead_letter WHERE release_due <= now() ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) "
    "RETURNING from_scratch, " + _SUMMARY + ", " + _RECORD
)
END_RELEASE = (
    "WITH ended AS (UPDATE dead_letter SET release_due = NULL, updated_at = now(), "
    "released_at = CASE WHEN $2 = 'released' THEN now() ELSE released_at END "
    "WHERE id = $1 AND release_due IS NOT NULL RETURNING id), "
    "asked AS (SELECT actor, reason FROM dead_letter_action WHERE dead_letter_id = $1 "
    "AND action IN ('release', 'discard') ORDER BY id DESC LIMIT 1) "
    "INSERT INTO dead_letter_action (dead_letter_id, action, actor, reason, outcome) "
    "SELECT ended.id, 'release', coalesce(asked.actor, 'unknown'), asked.reason, $2 "
    "FROM ended LEFT JOIN asked ON true RETURNING id"
)

BACKLOG = (
    "SELECT consumer_group, count(*) AS count, "
    "extract(epoch FROM now() - min(indexed_at))::float8 AS oldest_s "
    "FROM dead_letter WHERE state = 'open' GROUP BY consumer_group"
)

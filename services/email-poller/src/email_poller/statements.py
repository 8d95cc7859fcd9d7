"""The SQL of the mailbox's memory (tables ``mailbox`` and ``mail_taken``; ``delivery`` is only read)."""

NOTICE_DEAD_PEERS = "SELECT set_config('tcp_keepalives_idle', '15', false)"
LOCK = "SELECT pg_try_advisory_lock($1)"
UNLOCK = "SELECT pg_advisory_unlock($1)"

CURSOR = """
SELECT uidvalidity, last_uid, floor_uid, catch_up FROM mailbox WHERE account = $1 AND mailbox = $2
"""
LOCK_CURSOR = "SELECT uidvalidity FROM mailbox WHERE account = $1 AND mailbox = $2 FOR UPDATE"
BEGIN = """
INSERT INTO mailbox (account, mailbox, uidvalidity, last_uid, floor_uid, catch_up)
VALUES ($1, $2, $3, 0, $4, $5)
ON CONFLICT (account, mailbox) DO UPDATE
SET uidvalidity = excluded.uidvalidity, last_uid = 0, floor_uid = excluded.floor_uid,
    catch_up = excluded.catch_up, updated_at = now()
"""
CAUGHT_UP = """
UPDATE mailbox SET catch_up = NULL, last_uid = greatest(last_uid, floor_uid), updated_at = now()
WHERE account = $1 AND mailbox = $2 AND uidvalidity = $3
"""
ADVANCE = """
UPDATE mailbox SET last_uid = greatest(last_uid, $3), updated_at = now()
WHERE account = $1 AND mailbox = $2
"""

TAKEN = """
SELECT uid FROM mail_taken
WHERE account = $1 AND mailbox = $2 AND uidvalidity = $3 AND uid = ANY($4::bigint[])
"""
# A delivery keeps the Message-ID that the notifier sent, with or without its brackets.
FACTS = """
SELECT
    EXISTS (
        SELECT FROM delivery WHERE medium = 'email' AND message_id IN ($2::text, btrim($2::text, '<>'))
    ) AS sent_by_us,
    EXISTS (
        SELECT FROM mail_taken
        WHERE account = $1 AND content_hash = $3::text AND uidvalidity <> $4
          AND message_id IS NOT DISTINCT FROM $2::text
    ) AS duplicate,
    (
        SELECT count(*) FROM mail_taken
        WHERE account = $1 AND sender_hash = $5::text AND state <> 'ignored'
          AND taken_at > now() - interval '1 hour'
    ) AS answers_last_hour
"""
INSERT = """
INSERT INTO mail_taken (account, mailbox, uidvalidity, uid, event_id, state, why, message_id,
                        content_hash, sender_hash, event_key, event_value, traceparent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT DO NOTHING
"""

# A newer UIDVALIDITY is larger, and UIDs ascend (RFC 9051 §2.3.1.1): the order of arrival.
PENDING = """
SELECT uidvalidity, uid, event_id, event_key AS key, event_value AS value, traceparent, taken_at
FROM mail_taken WHERE state = 'pending' AND account = $1 AND mailbox = $2
ORDER BY uidvalidity, uid LIMIT $3
"""
COUNT_PENDING = """
SELECT count(*) FROM mail_taken WHERE state = 'pending' AND account = $1 AND mailbox = $2
"""
PUBLISHED = """
UPDATE mail_taken SET state = 'published', event_value = NULL
WHERE event_id = ANY($1::text[]) AND state = 'pending'
"""
REFUSED = "UPDATE mail_taken SET state = 'ignored', why = $2 WHERE event_id = $1 AND state = 'pending'"

-- A turn is added in two statements instead of four. An event whose turn is there already (a redelivery) takes back
-- what it added: that is rare, and the row is locked meanwhile.
CREATE OR REPLACE FUNCTION conversation_add(
    of_conversation text, of_person text, in_language text, for_event text, asked text, answered text, came_to int
) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    open_now int;
BEGIN
    INSERT INTO conversation AS c (id, person, language, open_tokens)
    VALUES (of_conversation, of_person, in_language, came_to)
    ON CONFLICT (id) DO UPDATE
       SET person = excluded.person, language = excluded.language, updated_at = now(),
           open_tokens = c.open_tokens + came_to
    RETURNING c.open_tokens INTO open_now;
    INSERT INTO conversation_turn (conversation, number, event_id, question, answer, tokens, person)
    SELECT of_conversation, coalesce(max(number), 0) + 1, for_event, asked, answered, came_to, of_person
      FROM conversation_turn WHERE conversation = of_conversation
    ON CONFLICT (event_id) DO NOTHING;
    IF NOT FOUND THEN
        UPDATE conversation AS c SET open_tokens = c.open_tokens - came_to WHERE id = of_conversation
        RETURNING c.open_tokens INTO open_now;
    END IF;
    RETURN open_now;
END
$$;
-- Mistyped words are set right by llm-worker, which knows all words of the names; the column goes with a later version.
DROP INDEX product_trigrams;
ALTER TABLE product ALTER COLUMN trigrams SET DEFAULT '{}';

-- A turn is added in one call of the database instead of six.

-- Each statement within sees what was committed before it began, so that the row lock of the first makes two workers
-- (one of them a zombie) take turns. Returns the tokens of the turns that are not yet summarised.
CREATE FUNCTION conversation_add(
    of_conversation text, of_person text, in_language text, for_event text, asked text, answered text, came_to int
) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO conversation (id, person, language) VALUES (of_conversation, of_person, in_language)
    ON CONFLICT (id) DO UPDATE SET person = excluded.person, language = excluded.language, updated_at = now();
    INSERT INTO conversation_turn (conversation, number, event_id, question, answer, tokens, person)
    SELECT of_conversation, coalesce(max(number), 0) + 1, for_event, asked, answered, came_to, of_person
      FROM conversation_turn WHERE conversation = of_conversation
    ON CONFLICT (event_id) DO NOTHING;
    IF FOUND THEN
        UPDATE conversation SET open_tokens = open_tokens + came_to WHERE id = of_conversation;
    END IF;
    RETURN (SELECT open_tokens FROM conversation WHERE id = of_conversation);
END
$$;

-- Puts a moment into recommender.as_of for the rest of the transaction.

CREATE OR REPLACE FUNCTION recommender._set_as_of(p_as_of timestamptz)
RETURNS void
LANGUAGE plpgsql
VOLATILE
AS $$
BEGIN
    -- JSON writes a timestamp in ISO form with its offset in numbers, whatever DateStyle and
    -- TimeZone are; a zone's abbreviation may be read back as another zone's.
    PERFORM set_config('recommender.as_of', to_jsonb(p_as_of) #>> '{}', true);
END;
$$;

COMMENT ON FUNCTION recommender._set_as_of(timestamptz) IS
'Sets recommender.as_of to exactly this moment until the end of the transaction.';

-- How long a list the payload of a refresh asks for.

CREATE OR REPLACE FUNCTION recommender._list_length(p_payload jsonb)
RETURNS numeric
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    -- A row that somebody else wrote may have anything there: that asks for nothing.
    SELECT CASE WHEN jsonb_typeof(p_payload -> 'top_n') = 'number'
        THEN (p_payload ->> 'top_n')::numeric
        ELSE 0
    END;
END;

COMMENT ON FUNCTION recommender._list_length(jsonb) IS
'The number top_n of a payload; 0 where there is none.';

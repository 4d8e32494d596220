-- One number of a cron expression, which may be given by a name.

CREATE OR REPLACE FUNCTION recommender._cron_number(p_text text, p_names text[], p_low integer)
RETURNS integer
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN p_text ~ '^[0-9]' THEN p_text::integer
        ELSE array_position(p_names, p_text) - 1 + p_low
    END;
END;

COMMENT ON FUNCTION recommender._cron_number(text, text[], integer) IS
'A number as it is; of a name its place in p_names, of which the first stands for p_low; NULL for NULL and for other texts.';

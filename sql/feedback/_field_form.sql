-- The regular expression that a field of an interaction matches from end to end.
--
-- A whole batch is matched as one text: to begin with an expression costs more than going on.

CREATE OR REPLACE FUNCTION recommender._field_form(p_field text)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE p_field
        WHEN 'event_id' THEN '[1-9][0-9]{0,9}'
        WHEN 'client_id' THEN '[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}'
        -- PostgreSQL reads more than RFC 3339, and its 24:00 is the next day.
        WHEN 'occurred_at' THEN
            '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}'
            '(\.[0-9]{1,20})?([Zz]|[+-][0-9]{2}:[0-9]{2})'
    END;
END;

COMMENT ON FUNCTION recommender._field_form(text) IS
'The form of event_id, client_id or occurred_at in a batch, to stand between ^ and $: digits, a UUID, RFC 3339 with date, time and offset. What has the form may still be no value: a day may not exist.';

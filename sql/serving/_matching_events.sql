-- The events that match a request, before sort and page.
--
-- Inlined wherever it is asked: for a count, for a page by start_time (its index), for one event.
-- p_is_plain spares most requests to look at each argument for each event.

CREATE OR REPLACE FUNCTION recommender._matching_events(
    p_from timestamptz,
    p_until timestamptz,
    p_is_plain boolean,
    p_blocked integer[],
    p_hidden_tag_ids integer[],
    p_tag_ids integer[],
    p_category text,
    p_city text,
    p_location text,
    p_search text
)
RETURNS TABLE (event_id integer, start_time timestamptz)
LANGUAGE sql
STABLE
AS $$
    SELECT
        e.event_id,
        e.start_time
    FROM recommender.source_events AS e
    WHERE
        e.is_published
        AND e.is_known
        AND e.start_time >= p_from
        AND (p_until IS NULL OR e.start_time < p_until)
        AND (
            p_is_plain
            OR (
                coalesce(e.organizer_id <> ALL (p_blocked), true)
                AND e.event_id NOT IN (
                    SELECT l.event_id FROM recommender.source_tag_links AS l
                    WHERE l.tag_id = ANY (p_hidden_tag_ids)
                )
                AND (
                    p_tag_ids IS NULL
                    OR e.event_id IN (
                        SELECT l.event_id FROM recommender.source_tag_links AS l
                        WHERE l.tag_id = ANY (p_tag_ids)
                    )
                )
                AND (p_category IS NULL OR e.category = p_category)
                AND (p_city IS NULL OR e.city = p_city)
                AND (
                    p_location IS NULL
                    OR strpos(recommender.normalize_text(e.location), p_location) > 0
                )
                AND (
                    p_search IS NULL
                    OR strpos(recommender.normalize_text(e.title), p_search) > 0
                    OR strpos(recommender.normalize_text(e.description), p_search) > 0
                )
            )
        );
$$;

COMMENT ON FUNCTION recommender._matching_events(
    timestamptz, timestamptz, boolean, integer[], integer[], integer[], text, text, text, text
) IS
'One row is one published, known event that is not deleted, starts from p_from and before p_until (NULL: no end), and, unless p_is_plain (none of the rest is given), is of no blocked organizer, has no hidden tag, has one of the tags (NULL: any), and matches the normalised texts (NULL: not given): category and city are equal, location contains, title or description contains the search.';

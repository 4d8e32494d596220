-- The whole recommender on one screen, and what there is to do about it.

CREATE OR REPLACE VIEW recommender.status AS
WITH items AS (
    SELECT
        i.area,
        i.item,
        i.value,
        i.warning,
        i.item_no
    FROM recommender._status_items() WITH ORDINALITY AS i (area, item, value, warning, item_no)
),

head AS (
    SELECT
        'now' AS area,
        'moment' AS item,
        recommender._moment_text(recommender.as_of()) AS value,
        NULL AS warning,
        -1 AS item_no
    UNION ALL
    SELECT
        'now' AS area,
        'do first' AS item,
        CASE WHEN count(i.warning) = 0
            THEN 'nothing'
            ELSE recommender._count_text(count(i.warning), 'warning', 'warnings')
        END AS value,
        (array_agg(i.warning ORDER BY i.item_no) FILTER (WHERE i.warning IS NOT NULL))[1]
            AS warning,
        0 AS item_no
    FROM items AS i
)

SELECT
    s.area,
    s.item,
    s.value,
    s.warning
FROM (
    SELECT h.* FROM head AS h
    UNION ALL
    SELECT i.* FROM items AS i
) AS s
ORDER BY s.item_no;

COMMENT ON VIEW recommender.status IS
'One screen: one row is one item of an area (now, data, model, lists, features, queue, schedule, guardrails, settings) at recommender.as_of(), its value as a person reads it, and a warning that says what to do about it (NULL: nothing). The item "do first" counts the warnings and repeats the first. Of the settings only the switches that are off are listed, and values that are not valid; lists and queue are left out until those are corrected. Works on an empty database.';

-- Keeps what history needs of interactions that are about to go: the first by rank of each pair.
--
-- The order is total, so that what is kept does not depend on how the rows are cut into steps.
-- Pairs are written in the order of their key, users and events locked before the rows are touched.

CREATE OR REPLACE FUNCTION recommender._keep_retention_history(
    p_table regclass, p_rows tid[], p_page bigint, p_since xid
)
RETURNS bigint
LANGUAGE plpgsql
VOLATILE
AS $$
DECLARE
    v_count bigint;
BEGIN
    EXECUTE format(
        'INSERT INTO public.interaction_history AS h (
            user_id, event_id, interaction_type, occurred_at, meta
        )
        SELECT DISTINCT ON (s.user_id, s.event_id)
            s.user_id,
            s.event_id,
            s.interaction_type,
            s.occurred_at,
            s.meta
        FROM (
            SELECT
                i.user_id,
                i.event_id,
                i.interaction_type::text AS interaction_type,
                i.occurred_at,
                CASE WHEN
                    i.interaction_type::text = ''dwell''
                    AND jsonb_typeof(recommender._as_jsonb(i.meta) -> ''seconds'') = ''number''
                    THEN jsonb_build_object(
                        ''seconds'', recommender._as_jsonb(i.meta) -> ''seconds''
                    )
                END AS meta
            FROM ONLY %s AS i
            WHERE
                %s
                AND i.user_id IS NOT NULL
                AND i.event_id IS NOT NULL
                AND i.interaction_type::text IN (
                    ''unregister'', ''click'', ''view'', ''dwell'', ''share'', ''favorite'',
                    ''register''
                )
        ) AS s
        WHERE
            EXISTS (SELECT FROM public.users AS u WHERE u.id = s.user_id)
            AND EXISTS (SELECT FROM public.events AS e WHERE e.id = s.event_id)
        ORDER BY
            s.user_id,
            s.event_id,
            recommender._keeping_rank(s.interaction_type, s.meta) DESC,
            s.occurred_at,
            s.interaction_type COLLATE "C",
            coalesce(s.meta, ''null'')
        ON CONFLICT (user_id, event_id) DO UPDATE SET
            interaction_type = excluded.interaction_type,
            occurred_at = excluded.occurred_at,
            meta = excluded.meta
        WHERE
            (
                -recommender._keeping_rank(excluded.interaction_type, excluded.meta),
                excluded.occurred_at,
                excluded.interaction_type COLLATE "C",
                coalesce(excluded.meta, ''null'')
            ) < (
                -recommender._keeping_rank(h.interaction_type, h.meta),
                h.occurred_at,
                h.interaction_type COLLATE "C",
                coalesce(h.meta, ''null'')
            )',
        p_table,
        CASE
            WHEN p_rows IS NOT NULL THEN 'i.ctid = ANY ($1)'
            WHEN p_page IS NOT NULL THEN 'i.ctid >= $2 AND i.ctid < $3'
            ELSE 'age(i.xmin) <= age($4)'
        END
    ) USING
        p_rows, format('(%s,0)', p_page)::tid, format('(%s,0)', p_page + 2048)::tid, p_since;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END;
$$;

COMMENT ON FUNCTION recommender._keep_retention_history(regclass, tid[], bigint, xid) IS
'Merges into interaction_history, for each (user, event) that exists, an unregister if there is any, else the strongest training signal, the earliest of equals. Of a table it reads the rows p_rows, else the 2,048 pages (16 MB) from p_page on, else what transactions from p_since on wrote, and returns how many pairs it added or changed.';

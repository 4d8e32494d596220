-- Makes this session's temporary tables of batches: one fills them, its commit empties them.

CREATE OR REPLACE FUNCTION recommender._make_batch_tables()
RETURNS void
LANGUAGE plpgsql
VOLATILE
SET client_min_messages = 'warning'
AS $$
BEGIN
    DROP TABLE IF EXISTS
    pg_temp.scoring_students, pg_temp.scoring_profiles, pg_temp.scoring_ranks,
    pg_temp.scoring_words, pg_temp.scoring_sentences, pg_temp.scoring_batches;
    CREATE TEMPORARY TABLE scoring_students (
        user_id integer NOT NULL,
        profile_id integer NOT NULL,
        language text NOT NULL,
        generic_reason text,
        fingerprint bigint,
        attribute_nos integer[],
        weights double precision[],
        registered_ids integer[]
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE scoring_profiles (
        profile_id integer NOT NULL,
        language text NOT NULL,
        attribute_nos integer[],
        weights double precision[],
        column_nos integer[],
        column_weights double precision[],
        own_logit double precision NOT NULL,
        registered_ids integer[] NOT NULL
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE scoring_ranks (
        profile_id integer NOT NULL,
        rank integer NOT NULL,
        event_id integer NOT NULL,
        score double precision NOT NULL
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE scoring_words (
        profile_id integer NOT NULL,
        rank integer NOT NULL,
        reason text
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE scoring_sentences (
        profile_id integer NOT NULL,
        rank integer NOT NULL,
        reason text
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE scoring_batches (
        batch_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_ids integer[] NOT NULL
    ) ON COMMIT PRESERVE ROWS;
END;
$$;

COMMENT ON FUNCTION recommender._make_batch_tables() IS
'Makes this session''s temporary tables of one batch: scoring_students and scoring_profiles (recommender._gather_profiles), scoring_ranks (recommender._rank_profiles) and scoring_words (recommender._word_shared, recommender._word_attendances by way of scoring_sentences); and scoring_batches, the batches to come (recommender._list_batches).';

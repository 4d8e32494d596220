-- Why the model that should score cannot.

CREATE OR REPLACE FUNCTION recommender._model_trouble()
RETURNS text
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    PERFORM recommender.current_model();
    RETURN NULL;
EXCEPTION
    WHEN SQLSTATE 'ER010' OR SQLSTATE 'ER011' OR SQLSTATE 'ER012' OR SQLSTATE 'ER013' THEN
        RETURN SQLERRM;
END;
$$;

COMMENT ON FUNCTION recommender._model_trouble() IS
'What recommender.current_model() raises, as a sentence; NULL: nothing.';

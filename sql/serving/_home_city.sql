-- The city a student is near to, where the profile names none.

CREATE OR REPLACE FUNCTION recommender._home_city(p_user_id integer, p_profile_city text)
RETURNS text
LANGUAGE plpgsql
STABLE
AS $$
BEGIN
    IF p_profile_city IS NOT NULL THEN
        RETURN p_profile_city;
    END IF;
    RETURN (SELECT h.city FROM recommender.user_home_cities AS h WHERE h.user_id = p_user_id);
END;
$$;

COMMENT ON FUNCTION recommender._home_city(integer, text) IS
'The profile''s normalised city if there is one, else that of recommender.user_home_cities; NULL: none is known.';

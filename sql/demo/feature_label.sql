-- A feature in the words of a student.

CREATE OR REPLACE FUNCTION recommender.feature_label(
    p_feature text, p_language text DEFAULT 'en'
)
RETURNS text
LANGUAGE sql
IMMUTABLE
PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(
        (
            SELECT CASE WHEN p_language = 'ro' THEN l.romanian ELSE l.english END
            FROM (
                VALUES
                ('bias', 'Where every event starts', 'De unde pornește orice eveniment'),
                ('overlap_interest_ratio', 'About what interests you', 'Despre ce te interesează'),
                (
                    'overlap_history_ratio',
                    'Like events you chose before',
                    'Ca evenimentele alese de tine până acum'
                ),
                ('same_city', 'In your city', 'În orașul tău'),
                ('category_match', 'A category you choose', 'O categorie pe care o alegi'),
                ('organizer_match', 'An organizer you know', 'Un organizator pe care îl cunoști'),
                ('popularity', 'How many are going', 'Câți participă'),
                ('days_until', 'How far away the day is', 'Cât mai este până atunci'),
                ('series_share', 'A series you go to often', 'O serie la care mergi des'),
                (
                    'new_series_share',
                    'Something new by an organizer you go to',
                    'Ceva nou de la un organizator la care mergi'
                ),
                (
                    'attended_organizer_age',
                    'You have been to this organizer before',
                    'Ai mai fost la acest organizator'
                ),
                (
                    'co_attendance',
                    'People who go where you go also go here',
                    'Cei care merg unde mergi și tu vin și aici'
                ),
                (
                    'category_affinity',
                    'Goes with the categories you go to',
                    'Se potrivește cu categoriile la care mergi'
                ),
                (
                    'category_rarity',
                    'A category few others go to, but you do',
                    'O categorie la care merg puțini, dar tu da'
                ),
                (
                    'title_words',
                    'A title like those you went to',
                    'Un titlu ca al evenimentelor la care ai fost'
                ),
                ('newcomer_appeal', 'A good place to start', 'Un loc bun de început'),
                (
                    'organizer_event_count',
                    'How busy the organizer is',
                    'Cât de activ este organizatorul'
                ),
                (
                    'organizer_audience',
                    'How many people the organizer reaches',
                    'La câți oameni ajunge organizatorul'
                ),
                (
                    'organizer_age',
                    'How long the organizer has been around',
                    'De cât timp există organizatorul'
                ),
                ('series_is_new', 'Held for the first time', 'Are loc pentru prima dată'),
                ('series_audience', 'How many came before', 'Câți au venit până acum'),
                ('student_activity', 'How much you go out', 'Cât de mult ieși'),
                (
                    'category_activity',
                    'You go out much, and know this category',
                    'Ieși mult și cunoști categoria aceasta'
                ),
                (
                    'attended_organizer_audience',
                    'Like many, you have been to this organizer',
                    'Ca mulți alții, ai fost la acest organizator'
                )
            ) AS l (feature, english, romanian)
            WHERE l.feature = p_feature
        ),
        replace(p_feature, '_', ' ')
    );
END;

COMMENT ON FUNCTION recommender.feature_label(text, text) IS
'A feature of recommender.feature_names in words a student understands: Romanian for ro, English for any other language. The name with blanks for a feature that is neither.';

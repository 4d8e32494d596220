-- Feature sets: which features the stored twins hold, and the sentences that speak for attendances.
-- The table of sentences is tiny:
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid

ALTER TABLE public.recommender_snapshot
ADD COLUMN IF NOT EXISTS is_extended boolean NOT NULL DEFAULT false;
ALTER TABLE public.recommender_snapshot
ADD COLUMN IF NOT EXISTS upcoming_is_extended boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN public.recommender_snapshot.is_extended IS
'Whether the stored twins hold the extended features too.';
COMMENT ON COLUMN public.recommender_snapshot.upcoming_is_extended IS
'Whether upcoming_attributes_snapshot holds the extended features too.';

ALTER TABLE public.recommendation_reasons DROP CONSTRAINT IF EXISTS kind_is_known;
ALTER TABLE public.recommendation_reasons ADD CONSTRAINT kind_is_known CHECK (
    kind IN (
        'interests', 'near_you', 'generic', 'tags', 'popular', 'near_city',
        'series', 'organizer', 'co_attendance'
    )
);
ALTER TABLE public.recommendation_reasons DROP CONSTRAINT IF EXISTS names_have_a_place;
ALTER TABLE public.recommendation_reasons ADD CONSTRAINT names_have_a_place CHECK (
    kind NOT IN ('interests', 'tags', 'near_city', 'organizer', 'co_attendance')
    OR template LIKE '%\%s%'
);

INSERT INTO public.recommendation_reasons (language, kind, template)
VALUES
('en', 'series', 'You go to this series often'),
('en', 'organizer', 'You have been to events of %s'),
('en', 'co_attendance', 'People who go to %s also go here'),
('ro', 'series', 'Mergi des la această serie'),
('ro', 'organizer', 'Ai fost la evenimente organizate de %s'),
('ro', 'co_attendance', 'Cei care merg la %s vin și aici')
ON CONFLICT DO NOTHING;

-- What serving a list over HTTP needs to know: the language its reasons are written in, and the
-- sentences for events that are shown without being in the list. The table of sentences is tiny:
-- squawk-ignore-file ban-drop-constraint, constraint-missing-not-valid

ALTER TABLE public.recommendation_lists ADD COLUMN IF NOT EXISTS language text;

COMMENT ON COLUMN public.recommendation_lists.language IS
'The language the list''s reasons are written in; NULL: the student''s.';

ALTER TABLE public.recommendation_reasons DROP CONSTRAINT IF EXISTS kind_is_known;
ALTER TABLE public.recommendation_reasons ADD CONSTRAINT kind_is_known CHECK (
    kind IN ('interests', 'near_you', 'generic', 'tags', 'popular', 'near_city')
);
ALTER TABLE public.recommendation_reasons DROP CONSTRAINT IF EXISTS interests_has_a_place;
ALTER TABLE public.recommendation_reasons DROP CONSTRAINT IF EXISTS names_have_a_place;
ALTER TABLE public.recommendation_reasons ADD CONSTRAINT names_have_a_place CHECK (
    kind NOT IN ('interests', 'tags', 'near_city') OR template LIKE '%\%s%'
);
ALTER TABLE public.recommendation_reasons DROP CONSTRAINT IF EXISTS language_is_a_tag;
ALTER TABLE public.recommendation_reasons ADD CONSTRAINT language_is_a_tag CHECK (
    language ~ '^[a-z]{1,8}(-[a-z0-9]{1,8})*$'
);

INSERT INTO public.recommendation_reasons (language, kind, template)
VALUES
('en', 'tags', 'Like what you follow: %s'),
('en', 'popular', 'Popular and coming up'),
('en', 'near_city', 'Near you: %s'),
('ro', 'tags', 'Ca ce urmărești: %s'),
('ro', 'popular', 'Popular, în curând'),
('ro', 'near_city', 'În apropiere: %s')
ON CONFLICT DO NOTHING;

-- What a student's clicks say, folded into one decaying score per tag, category and city.
-- fillfactor 80 keeps the updates in place (HOT).

CREATE TABLE IF NOT EXISTS public.user_implicit_interest_tags (
    user_id integer NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    tag_id integer NOT NULL REFERENCES public.tags (id) ON DELETE CASCADE,
    score double precision NOT NULL DEFAULT 0,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, tag_id)
) WITH (fillfactor = 80);

CREATE TABLE IF NOT EXISTS public.user_implicit_interest_categories (
    user_id integer NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    category text NOT NULL,
    score double precision NOT NULL DEFAULT 0,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, category)
) WITH (fillfactor = 80);

CREATE TABLE IF NOT EXISTS public.user_implicit_interest_cities (
    user_id integer NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    city text NOT NULL,
    score double precision NOT NULL DEFAULT 0,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, city)
) WITH (fillfactor = 80);

COMMENT ON COLUMN public.user_implicit_interest_tags.score IS
'The score at last_seen_at, between 0 and the cap; it halves every half life after that.';
COMMENT ON COLUMN public.user_implicit_interest_categories.score IS
'The score at last_seen_at, between 0 and the cap; it halves every half life after that.';
COMMENT ON COLUMN public.user_implicit_interest_cities.score IS
'The score at last_seen_at, between 0 and the cap; it halves every half life after that.';
COMMENT ON TABLE public.user_implicit_interest_tags IS
'One row is one tag a student''s interactions speak for.';
COMMENT ON TABLE public.user_implicit_interest_categories IS
'One row is one category (normalised text) a student''s interactions speak for.';
COMMENT ON TABLE public.user_implicit_interest_cities IS
'One row is one city (normalised text) a student''s interactions speak for.';

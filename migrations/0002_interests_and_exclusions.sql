-- What students said about themselves: tags they like, tags they hide, organizers they block.

CREATE TABLE IF NOT EXISTS public.user_interest_tags (
    user_id integer NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    tag_id integer NOT NULL REFERENCES public.tags (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, tag_id)
);

CREATE TABLE IF NOT EXISTS public.user_hidden_tags (
    user_id integer NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    tag_id integer NOT NULL REFERENCES public.tags (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, tag_id)
);

CREATE TABLE IF NOT EXISTS public.user_blocked_organizers (
    user_id integer NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    organizer_id integer NOT NULL REFERENCES public.users (id) ON DELETE CASCADE,
    PRIMARY KEY (user_id, organizer_id)
);

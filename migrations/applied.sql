-- Written by scripts/migrate.py --write-stamps: what an installation by psql has applied.

CREATE TABLE IF NOT EXISTS public.eventrank_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE public.eventrank_migrations IS
'One row is one file of migrations/ that was applied, with the SHA-256 it had.';

INSERT INTO public.eventrank_migrations (name, checksum)
VALUES
(
    '0001_users_and_events.sql',
    '04239c3a8cc8b45926a8dd26e1ccc98405da296de435794c3fc79347f713be30'
),
(
    '0002_interests_and_exclusions.sql',
    '9e4a272c709922ec61c55884a98011962fdc9db68376209d5b008aa5bc4e7b8a'
),
(
    '0003_registrations_and_favorites.sql',
    '6581ea6110dc0386c6c24a7b09c1bd93713af6069743da3807f123c17174e0b0'
),
(
    '0013_user_recommendations_cache.sql',
    '9628beecb05c0f0586ae9f56eafe194b0301339e030a1226266438e38d49db66'
),
(
    '0014_event_interactions.sql',
    '5493387fe394985311697ebadd0a235f1cece34fcd60cf6a45f03a2cfb6d1e03'
),
(
    '0015_implicit_interests.sql',
    '82887903a4b97643aff76a00d2179c53a385d41a298337146141f89f5ae48a0e'
),
(
    '0016_background_jobs.sql',
    'df26b6ec158081890c4b89df34f68fc729f9d1a139da34cd2d71ef0e209b524a'
),
(
    '0017_recommender_settings.sql',
    '10db0a5aa216affb5e8de6a0e09aa8e6750c500eabca4800065df42286adc508'
)
ON CONFLICT (name) DO NOTHING;

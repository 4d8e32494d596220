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
    '4ac069e5aa9375c98995f528f68d3f037893dd0c908e3bed80743eb057753f2e'
),
(
    '0014_event_interactions.sql',
    '4c78557e01b80a66e15ceb66a0390a1511b5feedde3fc63e3edee05269104182'
),
(
    '0015_implicit_interests.sql',
    'c97aa768f14c1aae14be7d920924d22412c9f44e61f67a4b5d8ef47fbb56b9b9'
),
(
    '0016_background_jobs.sql',
    '4b628452fe8675e0722535aa9e3ec3aeb34bd8e664fef80042ab1fca0838b1a1'
),
(
    '0017_recommender_settings.sql',
    '54d48c430b12eeb1e935bb5b0160eb6b53a635ee0d8643d49dd3e4588b34301a'
),
(
    '0018_serving.sql',
    '72b089675e16249a3b3a9a5f2ecc8081b3a5487e0ee504622548fac463e20616'
),
(
    '0019_telemetry_and_jobs.sql',
    '4826391d81518a03d2b7b93b7c95466b36f4ecb97e5228a62d39a9982ba3920f'
),
(
    '0020_guardrails_and_schedule.sql',
    '43d684db3af6dd58b77c2b7f8e3de7eca48fcbac1c41e18d03e4d540c3f1f001'
),
(
    '0021_incremental_rescore.sql',
    '60d8702832d90adde9b91cd6f631c8875378a1a2a46135160fe61a3cbaa90c79'
),
(
    '0022_feature_sets.sql',
    'd25c449901b2991f10bb219f9d5315346fd7ed4389fa1a9b1387658aa887009c'
)
ON CONFLICT (name) DO NOTHING;

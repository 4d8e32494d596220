-- Settings somebody chose; what is not here has its default (recommender.settings shows both).

CREATE TABLE IF NOT EXISTS public.recommender_settings (
    name text PRIMARY KEY,
    value text NOT NULL,
    source text NOT NULL DEFAULT 'admin',
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT name_is_lower_case CHECK (name ~ '^[a-z][a-z0-9_]*$')
);

COMMENT ON TABLE public.recommender_settings IS
'One row is one setting that differs from its default; source says who wrote it.';
COMMENT ON COLUMN public.recommender_settings.source IS
'environment: copied from an environment variable when a command started; admin: written in SQL.';
COMMENT ON COLUMN public.recommender_settings.value IS
'The value as text; what recommender.setting_defaults says of type and bounds holds.';

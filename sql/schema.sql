-- The home of all logic. It holds nothing that cannot be built again: state lives in public.

CREATE SCHEMA IF NOT EXISTS recommender;

GRANT USAGE ON SCHEMA recommender TO public;

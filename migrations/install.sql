\ir 0001_users_and_events.sql
\ir 0002_interests_and_exclusions.sql
\ir 0003_registrations_and_favorites.sql
\ir 0013_user_recommendations_cache.sql
\ir 0014_event_interactions.sql
\ir 0015_implicit_interests.sql
\ir 0016_background_jobs.sql
\ir 0017_recommender_settings.sql

"""Transport and training around the recommender that lives in PostgreSQL."""

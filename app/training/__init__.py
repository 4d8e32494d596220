"""Fitting the model's weights: pure functions on arrays, with the database at the edge."""

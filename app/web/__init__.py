"""Web pages: the admins' desk, the demo's events site, and what both are made of."""

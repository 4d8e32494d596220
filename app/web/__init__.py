"""The pages of the server: the demo's events site and the admins' desk."""

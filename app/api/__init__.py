"""The HTTP API: Starlette in front of functions of the database that build the answers."""

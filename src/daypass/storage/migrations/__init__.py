"""The steps from each version of the tables to the next, run by Alembic at the start of a server."""

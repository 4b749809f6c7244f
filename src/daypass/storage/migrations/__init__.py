"""The steps from each version of the tables to the next.

Owns the environment in which Alembic runs them when a server starts.
Leaves the steps to versions/, and the definition of the current tables to storage/sql/tables.py.
"""

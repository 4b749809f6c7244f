"""The store in a database: one implementation for SQLite and PostgreSQL.

Owns the tables, the statements, the transactions and the connections.
Leaves the version of the tables to schema.py and migrations/ beside it. No other package speaks SQL.
"""

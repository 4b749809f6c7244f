"""The store in a database: one implementation for SQLite and PostgreSQL.

Owns the tables, the statements, the transactions and the connections.
Leaves the version of the tables to storage/schema.py and storage/migrations/. Other packages do not use SQL.
"""

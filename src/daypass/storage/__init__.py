"""Stores of the directory: memory, SQLite and PostgreSQL.

Owns the SQL, the cache in front of a store, the master key, and the encryption of secrets at rest. Leaves the meaning
of records to daypass.directory, and implements its store protocol.
"""

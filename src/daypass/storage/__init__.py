"""Stores of the directory: memory, SQLite and PostgreSQL.

Owns the cache in front of a store, the views of a store for the event loop and for worker threads, the master key, and
the encryption of secrets at rest.
Leaves the SQL to sql/, the versions of the tables to migrations/, and the meaning of records to daypass.directory,
whose store protocol it implements.
"""

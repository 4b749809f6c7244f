"""Backups of a store: one encrypted file, of SQLite or PostgreSQL.

Owns the file's format (backup_file.py, archive.py, age_files.py), and the way from a store into it (write_backup.py)
and back into a database of either kind (restore_backup.py). Leaves the sessions that a restore may end to
sign_in/all_sessions.py. The file contains all records, links, claims and last uses, and the data key of the vault; it
does not contain the master key, settings, the audit log or TLS keys. docs/decisions/0038-backups.md has the reasons.
"""

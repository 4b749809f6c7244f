"""Where the directory is kept: memory, SQLite or PostgreSQL, a cache before them, a vault for secrets."""

"""The versions of the tables, one file each.

Owns the statements of each step. A released step never changes.
Leaves the order and the transaction to Alembic.
"""

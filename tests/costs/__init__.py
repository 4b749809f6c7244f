"""Counts of the work that each operation does in a server process."""

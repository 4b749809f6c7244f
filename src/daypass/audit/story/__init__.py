"""The story of an access key, a person or a role, told from the audit log.

Owns the search through the lines of a log and what a story says. Leaves files to audit/log_files.py, and the printing
to the command.
"""

"""Signature Version 4, as a server verifies it.

Owns parsing a signature from a header or a query string, the canonical request, the scope and the time.
Leaves the lookup of the key to its caller. Pure, and shared with resource servers: it imports no
directory, mint or policy.
"""

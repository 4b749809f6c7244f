"""Signature Version 4, on the side of the server that verifies it.

Owns parsing a signature from a header or a query string, the canonical request, the scope and the time.
Leaves the lookup of the key to its caller. Pure, and shared with resource servers: it does not import the directory,
mint or policy packages.
"""

"""Guarded connections to issuers.

Owns the addresses that may be connected to, name resolution, certificates, and the bounds of one fetch.
Leaves the meaning and the caching of what was fetched to issuers/.
"""

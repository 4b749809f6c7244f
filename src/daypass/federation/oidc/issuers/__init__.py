"""The issuers: their keys, their endpoints, and the terms on which accounts trust them.

Owns the cache of published keys, the client for people's logins, and the operator's terms.
Leaves the verification of a token to the package above it and connections to network/.
"""

"""The issuers: their keys, endpoints and terms.

The terms are the conditions on which accounts trust an issuer.
Owns the cache of published keys, the client for people's logins, and the operator's terms.
Leaves the verification of a token to the package above it and connections to network/.
"""

"""Authenticate a signed request: find the caller whose key signed it.

Owns the order of the checks, the `Caller` with its condition keys, and the cache of derived signing keys.
Leaves the signature itself to sigv4/, SAML assertions and web identity tokens to daypass.federation, and permissions to
daypass.authorize.
"""

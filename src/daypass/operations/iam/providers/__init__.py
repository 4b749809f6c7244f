"""SAML and OpenID Connect providers of an account.

Owns the IAM actions that create, update, list, tag and delete providers.
Leaves the verification of assertions and tokens to daypass.federation.
"""

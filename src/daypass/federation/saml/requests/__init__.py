"""SAML documents that Daypass sends: its requests and its own metadata.

Owns the AuthnRequest, the signature of a request, the key that signs it, and the metadata of the service provider.
Leaves responses to the package above it.
"""

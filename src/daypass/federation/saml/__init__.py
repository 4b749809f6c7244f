"""SAML 2.0: turn a response into a verified identity.

Owns parsing, the schema checks, decryption, the signature, the conditions, and our service provider metadata.
Leaves the registered providers to daypass.directory. Pure: without I/O, clock or randomness.
"""

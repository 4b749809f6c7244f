"""SAML 2.0: from a response to a verified identity.

Owns parsing, the checks of the message's shape, decryption, the signature, the conditions, and our
service provider metadata.
Leaves the registered providers to daypass.directory. Pure: it has no I/O, no clock and no randomness.
"""

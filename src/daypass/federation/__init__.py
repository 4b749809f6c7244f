"""Proofs from elsewhere: SAML assertions and web identity tokens in, identities out."""

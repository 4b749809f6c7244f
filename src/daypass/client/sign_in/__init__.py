"""Proofs of identity: a browser, a SAML response, a token, an MFA code.

Owns how a person at a terminal gets a proof, and the parts of a proof that are shown or compared
without verification. STS verifies the proof.
Leaves the exchange of a proof for credentials to sessions/.
"""

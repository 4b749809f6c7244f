"""Federation: proofs of identity that other parties have issued.

Owns the verification of SAML responses and of web identity tokens, from bytes to a verified identity.
Leaves the choice of a role to the operations, and our own tokens to daypass.mint.
"""

"""The login pages: choose a provider, go there, come back with a proof.

Owns the list of providers, the cookies of pending logins, and both ends of SAML and OpenID
Connect in a browser.
Leaves the verification of proofs to daypass.federation and the choice of a role to roles/.
"""

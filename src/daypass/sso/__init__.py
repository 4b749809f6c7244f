"""Serve the JSON protocols with which AWS's own clients sign in.

Owns the requests, answers and errors of SSO OIDC, of the SSO portal API and of the sign-in API, and the checks that
these protocols demand, such as DPoP proofs.
Leaves the sign-in session, its roles and its tokens to sign_in/, and the pages on which a person approves to portal/.
"""

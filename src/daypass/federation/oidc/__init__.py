"""OpenID Connect: from a web identity token to a verified identity.

Owns the token's form and signature, its claims, the keys of issuers, and the guarded requests that
fetch them.
Leaves the registered providers to daypass.directory, and the pages of the sign-in to daypass.portal.
"""

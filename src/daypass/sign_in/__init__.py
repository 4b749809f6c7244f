"""Keep sign-ins of people, and mint role sessions from them.

Owns the sign-in session with its sealed proof, the roles that a proof opens, the minting of a role session from a
sign-in, token families, and the pending records of unfinished sign-ins. Leaves pages and cookies to portal/, and the
JSON protocols of AWS's clients to sso/. Roles are minted through the pipeline, never beside it.
"""

"""The choice of a role after a login.

Owns the sign-in between its two steps, the roles that a proof offers, and the page on which
a person chooses one.
Leaves the decision about a role to AssumeRoleWithSAML and AssumeRoleWithWebIdentity.
"""

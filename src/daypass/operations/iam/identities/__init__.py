"""Users, groups, roles, instance profiles and access keys.

Owns the actions that create, change, list and delete these identities, their memberships, and the
reports of when an identity was last used.
Leaves attached policies and boundaries to policies/, and MFA devices to mfa/.
"""

"""Users, groups, roles, instance profiles and access keys.

Owns the actions that create, change, list and delete these identities, their memberships, and their last uses.
Leaves attached policies and boundaries to policies/, and MFA devices to mfa/.
"""

"""MFA devices of users.

The actions create, enable, synchronize, list, tag, deactivate and delete them.
Owns the IAM actions about devices and the rule which caller may change which device.
Leaves the check of a code during a call to daypass.operations.mfa, and the algorithm to daypass.mint.totp.
"""

"""Managed and inline policies of IAM.

Versions, attachments and permissions boundaries are included.
Owns the actions about policies, the validation of policy documents and AWS's messages for them, and the behaviour that
users, groups and roles share because policies are attached to them.
Leaves the users, groups and roles to identities/, and the evaluation of policies to daypass.policy.
"""

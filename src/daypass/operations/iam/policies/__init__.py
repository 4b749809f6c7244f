"""Managed and inline policies of IAM.

Versions, attachments and permissions boundaries are included.
Owns the actions about policies, the validation of documents with AWS's messages, and the common behaviour of users,
groups and roles as holders.
Leaves the users, groups and roles to identities/, and the evaluation of policies to daypass.policy.
"""

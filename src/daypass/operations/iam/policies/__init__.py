"""Managed and inline policies, their versions, attachments and permissions boundaries.

Owns the actions about policies, the validation of policy documents and AWS's messages for them, and
the behaviour that users, groups and roles share because policies are attached to them.
Leaves the users, groups and roles to identities/, and the evaluation of policies to daypass.policy.
"""

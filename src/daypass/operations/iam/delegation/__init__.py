"""Delegation requests: partners create them, owners decide about them.

Owns their IAM actions and the rule who sees and changes a request.
Leaves the records to daypass.directory.delegation.kept_requests, the webhooks to daypass.http.webhooks, and the
exchange of a token to daypass.operations.sts.
"""

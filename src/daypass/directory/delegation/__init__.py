"""Delegation requests in the directory.

Owns finding and storing requests, the policy templates of partners, and the test whether an approval is still valid.
Leaves the decisions about requests to daypass.operations.iam.delegation.
"""

"""Delegation requests in the directory.

Owns how requests are found and stored, the policy templates of partners, and whether an approval still holds.
Leaves the decisions about requests to daypass.operations.iam.delegation.
"""

"""The permissions of an S3 request: actions, resources and condition keys.

Owns the permissions of each operation, their condition keys (of the request, of its body, and those that are looked up
at the store), and the S3 error of a refusal.
Leaves the operation of a request to verify/s3/operations, and the decision to daypass.policy.
"""

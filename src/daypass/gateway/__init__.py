"""The gateway: an S3 endpoint that decides each request and forwards it.

Owns the connections to clients and stores, the keys and buckets that a request needs, the edits of answers, and the
audit events of objects.
Leaves the meaning of a request, its signature and its body to daypass.verify, and the evaluation of policies to
daypass.policy.
"""

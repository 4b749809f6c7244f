"""The gateway: an S3 endpoint that decides each request and forwards it.

Owns the process: its settings, listeners, metrics and audit events, and the plan between judge and data path. Its rooms
are judge (the decision), buckets, stores, transfers (the connections), and proxies (requests to other services).
Leaves the meaning of a request, its signature and its body to daypass.verify, and the evaluation of policies to
daypass.policy.
"""

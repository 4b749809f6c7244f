"""The judgement of an S3 request: what the server does with it.

Owns the steps from the head of a request to its plan: the decision about each permission, the look-ups of tags that
policies name, the plan of the body, the upload by a form, ListBuckets, and the edits of answers.
Leaves the meaning of a request to verify/s3, the buckets and their operations to gateway/buckets, what stores do and
answer to gateway/stores, and all connections to gateway/transfers.
"""

"""The operation of an S3 request, with its names and headers.

Owns the routing in the closed world of S3's model (operations.json), the rules for names, queries, headers and tags,
and the parsed request that everything after it reads.
Leaves permissions to verify/s3/permissions, and bodies to verify/s3/bodies and verify/s3/documents.
"""

"""The small XML documents in bodies of S3: read strictly, and written.

Owns the reader, the writer, and the bodies of DeleteObjects.
Leaves the condition keys in documents to verify/s3/permissions, and documents about buckets to gateway/buckets.
"""

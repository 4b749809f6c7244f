"""The meaning of an S3 request: operation, bucket, key, permissions.

Owns S3's error codes and the head that is signed for the store. Its rooms are operations, permissions, bodies (of
uploads), documents (small XML) and forms. Pure.
Leaves the signature of the client to the rest of daypass.verify, and buckets, sockets and stores to the gateway.
"""

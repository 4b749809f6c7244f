"""The meaning of an S3 request: operation, bucket, key, permissions.

Owns the routing of requests to operations, the permissions and condition keys of each operation, the rules for object
keys, the bodies of uploads, the head that is signed for the store, and S3's error codes. Leaves the signature of the
client to the rest of daypass.verify, and buckets, sockets and stores to the gateway. Pure.
"""

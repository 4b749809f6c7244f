"""The bodies of uploads: verified and encoded, piece by piece.

Owns the payload forms: plain, hashed, and in signed or unsigned chunks with trailers, the checksums, and the plan that
connects what a client sends with what a store gets.
Leaves documents that are read as a whole to verify/s3/documents, and the sockets to the gateway.
"""

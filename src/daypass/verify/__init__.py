"""Verify a signed request, and decide about it, in any HTTP service.

Owns the strict head of a request, its Signature Version 4 (header and presigned), its caller, the decision, and what S3
adds to these. Pure, except the middlewares (asgi, wsgi) and the client of remote keys (remote).
Leaves the lookup of keys to a `Keys` provider, and sockets and stores to daypass.gateway.
"""

"""The commands about gateways: gateway, bucket and resource-server.

Owns their arguments and output, and the start of the S3 gateway. Leaves the gateway to daypass.gateway, and the records
of buckets and resource servers to daypass.directory.
"""

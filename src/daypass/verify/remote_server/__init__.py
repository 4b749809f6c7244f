"""The Daypass server elsewhere, as a resource server asks it.

Owns the messages between a resource server (or a gateway) and Daypass, callers and policies as JSON, the signed
requests, and the cache of facts with the feed of changes that ends them.
Leaves the answers of the server to daypass.resource_server, and the provider of keys to verify/remote.py.
"""

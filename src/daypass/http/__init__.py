"""The HTTP edge: from a socket to the pipeline and back.

Owns connections and their limits, the boundaries of requests, the client's address, the choice of a thread, health
checks, metrics, and webhooks.
Leaves the content of each response to the pipeline, and the pages for people to daypass.portal.
"""

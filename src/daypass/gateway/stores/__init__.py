"""The stores behind the gateway: their kinds and their answers.

Owns the profiles of the kinds of stores, the reduction of a store's answer to what a client may see, and the blocking
client for look-ups and for changes of buckets.
Leaves the requests of clients and their connections to gateway/transfers.
"""

"""Verify signed requests of a service and decide what the caller may do.

Owns the strict HTTP head, the verification of Signature Version 4 for resource servers, the caller and the decision.
Leaves signing keys to their provider, and sockets, clocks and logs to the gateway.
"""

"""The policy engine: documents, their compiled form, and decisions.

Owns parsing, validation, compilation and evaluation of policies, and the reasons for a decision.
Leaves the collection of the policies and of the request context to daypass.authorize. Pure: it has no
I/O and no clock.
"""

"""The reasons of a decision.

Denial messages and `daypass explain` show them. Owns the trace of an evaluation, AWS's words for a denial, and the
search for a context that would satisfy a condition.
Leaves the decision to the engine; nothing here runs for an allowed request.
"""

"""The reasons of a decision.

Denial messages and `daypass explain` show them.
Owns the trace of an evaluation, its sentences, AWS's words for a denial, and the search for a context that would
satisfy a condition.
Leaves the decision to the engine. An allowed request does not run any code of this folder.
"""

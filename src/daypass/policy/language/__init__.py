"""The policy language: from a JSON document to statements.

Owns the grammar, the refusals of documents, the known condition keys, and the lint.
Leaves the meaning of a statement in a request to the engine above it.
"""

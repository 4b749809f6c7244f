"""The policy language: from a JSON document to statements.

Owns the text and the grammar of a document, the refusals, the known condition keys, and the lint.
Leaves the effect of a statement on a request to the engine in daypass.policy.
"""

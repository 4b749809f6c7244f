"""The file of `daypass apply`: its form, its values, its state.

Owns the parser, the schema, the messages with the position of an error, and `State`, the one form in
which a file and a store are compared.
Leaves the comparison to plan/. Opens no store.
"""

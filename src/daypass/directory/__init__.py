"""The directory: accounts, users, groups, roles, policies and keys.

Owns the protocol of a store, how entities become records, and the questions that the server asks of
the directory.
Leaves the values to entities/, and delegation requests and the organization to their folders. Leaves the
stores themselves to daypass.storage.
"""

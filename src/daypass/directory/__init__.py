"""The directory: accounts, users, groups, roles, policies and keys.

Owns the protocol of a store, the mapping of entities to records, and the server's reads of the directory. Leaves the
values to entities/, and delegation requests and the organization to their folders. Leaves the stores themselves to
daypass.storage.
"""

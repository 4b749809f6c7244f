"""The directory: accounts, users, groups, roles, policies and keys.

Owns the protocol of a store, the mapping of entities to records, the cached reads of every request, and AWS's managed
policies.
Leaves the values to entities/, delegation requests to delegation/, the organization to organization/, and the stores
themselves to daypass.storage.
"""

"""The buckets of a gateway: records, changes and operations.

Owns the mapping of a name to its account and store, the changes of records, the steps of CreateBucket and DeleteBucket,
the operations on bucket policies and their XML, and the buckets of a gateway that asks a server elsewhere.
Leaves the permissions of these operations to gateway/judge, and the records themselves to daypass.directory.
"""

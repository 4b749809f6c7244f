"""`daypass apply`: files under version control that describe a directory.

Owns the order: make a plan on a snapshot, then execute it in one transaction, or in batches. Leaves the format of the
file to file/, the comparison to plan/, and reading and changing the store to store/.
"""

"""`daypass apply`: files under version control that describe a directory.

Owns the order: plan on a snapshot, then carry out the plan in one transaction.
Leaves the form of the file to file/, the comparison to plan/, and reading and changing the store to store/.
"""

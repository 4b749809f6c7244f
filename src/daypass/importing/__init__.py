"""`daypass import`: bring the IAM of an AWS account into a store.

Owns reading the output of `aws iam get-account-authorization-details`, its conversion, and the replacement of account
ids. Leaves the changes of the store to daypass.apply, as for every other file.
"""

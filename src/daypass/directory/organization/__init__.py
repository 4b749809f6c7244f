"""The organization of a store.

It has units, accounts and control policies.
Owns the position of an account in the tree, which control policies apply to it, and every change to the tree.
Leaves the evaluation of control policies to daypass.policy.
"""

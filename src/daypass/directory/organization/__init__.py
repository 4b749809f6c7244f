"""The organization of a store.

It has units, accounts and control policies. Owns where an account stands in the tree, which control policies apply to
it, and every change to the tree.
Leaves the evaluation of control policies to daypass.policy.
"""

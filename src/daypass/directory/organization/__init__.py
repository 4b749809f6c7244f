"""The organization of a store: its units, its accounts and its control policies.

Owns where an account stands in the tree, which control policies apply to it, and every change to the tree.
Leaves the evaluation of control policies to daypass.policy.
"""

"""The plan: the differences between a file and a store.

Owns how differences are found, checked and printed, and how a store is written as a file.
Leaves the execution of a plan to store/.
"""

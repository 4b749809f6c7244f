"""The side of the store: its present state, and the execution of a plan.

Owns reading the store as a `State`, the calls and writes behind each change, and the marks of
what a file has created.
Leaves the rules of each change to the IAM actions, which it calls as a client would.
"""

"""The actions of STS, one file each.

Owns the parameters, the required permissions and the result of each action, and the one place where
sessions are minted.
Leaves the verification of proofs to daypass.federation, and the form of tokens to daypass.mint.
"""

"""Credentials and tokens: how they are made, sealed and opened.

Owns the forms of key ids, secrets and session tokens, the life of sealing keys, durations, and MFA codes.
Leaves permission to mint to the operations, and storage of keys to daypass.directory. Pure: time,
randomness and keys are arguments.
"""

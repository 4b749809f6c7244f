"""Create, seal and open credentials and tokens.

Owns the formats of key IDs, secrets and session tokens, the lifecycle of sealing keys, durations, and MFA codes.
Leaves permission checks to the operations, and storage of keys to daypass.directory. Pure: time, randomness and keys
are arguments.
"""

"""The integrity of a store, for `daypass check`.

Owns the checks of one snapshot: each record decodes and has the names of its content, each secret opens under its
owner, each reference exists, each policy compiles, counts and links are consistent. It changes nothing. Leaves reading
whole tables to storage/sql, and repairs to the operator, whom each finding tells what to do.
"""

"""The profiles in the two files that AWS's tools share.

Owns reading and rewriting these files, and the order in which AWS's tools look for credentials, an
endpoint and a region.
Leaves the credentials themselves to sessions/.
"""

"""The entities of the directory as frozen values.

Owns their fields, and thus the form in which they are stored: a released field keeps its name.
Leaves their encoding to records.py, and every rule about them to the operations.
"""

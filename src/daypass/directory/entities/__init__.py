"""The entities of the directory as frozen values.

Owns their fields, and so the form in which they are stored: a field that was released keeps its name.
Leaves their encoding to records.py, and every rule about them to the operations.
"""

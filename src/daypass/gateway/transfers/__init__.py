"""The data path: requests on their way between clients and stores.

Owns the connections of clients, the connections to stores and their pools, the bytes on all of them, back-pressure, and
the limits of time and memory.
Leaves every decision to the judge, listeners and processes to gateway/server.py, and the meaning of bodies and answers
to the objects of a plan (gateway/plan.py).
"""

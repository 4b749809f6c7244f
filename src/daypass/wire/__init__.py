"""The wire format: from bytes to values and back.

Owns the AWS Query protocol, the service models and their limits, XML and JSON answers, and the form of
errors.
Leaves the code and the message of each error to errors.py, and sockets to daypass.http. Pure.
"""

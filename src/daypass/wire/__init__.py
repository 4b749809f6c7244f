"""The wire format: from bytes to values and back. Pure.

Owns the AWS Query protocol, the service models and their limits, XML and JSON responses, and the format of errors.
Leaves the code and the message of each error to errors.py, and sockets to daypass.http.
"""

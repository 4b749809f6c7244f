"""The sign-in of a command line through the browser (compare RFC 8628).

Owns the waiting sign-ins, the API that the command line calls, the page for the short code, and the
ways in which the result reaches the command.
Leaves the login itself to login/ and the other end to daypass.client. docs/handover.md is the protocol.
"""

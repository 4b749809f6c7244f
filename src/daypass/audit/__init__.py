"""The audit log: one CloudTrail-shaped event for each request.

Owns the format and the size of events, the queue in front of the log, and the thread that writes it.
Leaves the choice of calls that must be recorded first to the pipeline, and log rotation to the operator.
"""

"""The audit log: one CloudTrail-shaped event for each request.

Owns the form and the size of events, the queue in front of the log, and the thread that writes it.
Leaves the decision which calls need a record first to the pipeline, and log rotation to the operator.
"""

"""Copies of the audit log for other systems: its sinks.

Owns their settings, the spool on disk, the threads that deliver from it, and the formats and protocols of the sinks.
Leaves the events and the audit log itself to the package above: a spool receives the final lines of the log.

- Each process has a spool of its own. Events wait there until every sink has accepted them.
- Each sink has a thread of its own, so that a slow sink delays neither another one nor a request.
- Delivery is at least once. A sink may get an event twice, and recognizes it by its eventID.
"""

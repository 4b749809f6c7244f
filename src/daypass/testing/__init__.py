"""Tools for tests: a real server in the process, and identity providers.

Owns the pytest fixtures, a server on a free port with a movable clock, and providers that sign correctly or wrongly on
request. Leaves all behaviour to the real packages: it contains no substitute for them, except the clock and the
recorder of audit events.
"""

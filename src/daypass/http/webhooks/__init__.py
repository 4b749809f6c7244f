"""Webhook notifications to the partners of delegation requests.

Owns the thread that sends them, the retries, and the share of each account and host.
Leaves the content of a notification to the delegation actions that queue it.
"""

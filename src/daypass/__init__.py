"""Daypass: a self-hosted, AWS-compatible Security Token Service."""

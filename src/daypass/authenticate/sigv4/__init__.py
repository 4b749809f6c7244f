"""Signature Version 4, as a server checks it. Pure, and shared with the library for resource servers."""

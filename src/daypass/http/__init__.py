"""The ASGI edge: connections, limits, health and the real client address."""

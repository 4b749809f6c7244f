"""The listener for proxies: whether a request may go on.

Owns `/verify` and `/denied`, and the request to a service behind a proxy, which the proxy describes in headers.
Leaves the rules for the request to verify/services, and the configurations of the proxies to packaging/proxies.
"""

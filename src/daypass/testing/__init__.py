"""For tests: a real server in the process, and identity providers that sign, and mis-sign on request."""

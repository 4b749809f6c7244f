"""Daypass: a self-hosted, AWS-compatible Security Token Service.

Owns the server for STS and IAM, the command line, the portal, and tools for tests. `pipeline.py` shows the stages of
one request, and `wiring.py` chooses the implementations.
Leaves the API's shapes to botocore's service models, and HTTP parsing and ASGI to uvicorn.
"""

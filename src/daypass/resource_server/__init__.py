"""The answers of Daypass to registered resource servers on other machines.

Owns the service behind /resource-server/v1: derived signing keys with the caller's policies, documents, and the feed of
changes. A resource server never gets a secret, a sealing key, or a key of STS or IAM.
Leaves the messages to verify/remote_server, the registration to directory/, and the decision about the resource server
itself to the same engine as every other call.
"""

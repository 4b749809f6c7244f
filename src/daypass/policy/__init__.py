"""The policy engine: documents, their compiled form, decisions and the reasons for them."""

"""Uploads by HTML forms: POST Object, as a PutObject request.

Owns the multipart reader, the policy document and its conditions, and the signature in the fields.
Leaves the body of the file to verify/s3/bodies.
"""

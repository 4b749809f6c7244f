"""Use PyIceberg: `python pyiceberg_client.py`, with the variables of endpoints.py."""

import os
from functools import partial
from importlib import import_module
from typing import Any

pyarrow = import_module("pyarrow")
sql = import_module("pyiceberg.catalog.sql")
bucket = os.environ["S3_BUCKET"]
catalog = sql.SqlCatalog(
    "test",
    **{
        "uri": "sqlite:///:memory:",
        "warehouse": f"s3://{bucket}/iceberg",
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
        "s3.endpoint": os.environ["S3_ENDPOINT"],
        "s3.region": "eu-test-1",
        "s3.access-key-id": os.environ["AWS_ACCESS_KEY_ID"],
        "s3.secret-access-key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "s3.session-token": os.environ["AWS_SESSION_TOKEN"],
    },
)
if os.environ["S3_ENDPOINT"].startswith("https"):
    # PyIceberg has no property for the authority of a certificate.
    files: Any = import_module("pyarrow.fs")
    files.S3FileSystem = partial(files.S3FileSystem, tls_ca_file_path=os.environ["SSL_CERT_FILE"])

catalog.create_namespace("space")
rows = pyarrow.table({"n": list(range(1000)), "k": ["a", "b"] * 500})
table = catalog.create_table("space.rows", schema=rows.schema)
table.append(rows)
assert table.scan().to_arrow().num_rows == 1000
assert table.scan(row_filter="n < 10").to_arrow().num_rows == 10
table.overwrite(rows.slice(0, 100))
assert table.scan().to_arrow().num_rows == 100
table.delete("k = 'a'")
assert table.scan().to_arrow().num_rows == 50
catalog.purge_table("space.rows")

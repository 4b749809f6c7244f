"""Use DuckDB with httpfs: `python duckdb_client.py`, with the variables of endpoints.py."""

import os
from importlib import import_module

duckdb = import_module("duckdb")
extensions = import_module("duckdb_extensions")
bucket = os.environ["S3_BUCKET"]
scheme, address = os.environ["S3_ENDPOINT"].split("://")
database = duckdb.connect()
extensions.import_extension("httpfs", con=database)
database.execute("LOAD httpfs")
if scheme == "https":
    database.execute(f"SET ca_cert_file = '{os.environ['SSL_CERT_FILE']}'")
    database.execute("SET enable_server_cert_verification = true")
database.execute(
    f"""CREATE SECRET (TYPE s3, REGION 'eu-test-1', URL_STYLE 'path', ENDPOINT '{address}',
    USE_SSL {str(scheme == "https").lower()},
    KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}', SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}',
    SESSION_TOKEN '{os.environ["AWS_SESSION_TOKEN"]}')"""
)
root = f"s3://{bucket}/duckdb"
database.execute(f"COPY (SELECT range AS n, range % 2 AS k FROM range(1000)) TO '{root}/rows.parquet'")
database.execute(f"COPY (SELECT range AS n FROM range(1000000)) TO '{root}/big file.csv'")
parts = "(FORMAT parquet, PARTITION_BY k)"
database.execute(f"COPY (SELECT range AS n, range % 2 AS k FROM range(100)) TO '{root}/set' {parts}")
counts = {
    f"{root}/rows.parquet": 1000,
    f"{root}/big file.csv": 1_000_000,
    f"{root}/set/*/*.parquet": 100,
}
for name, expected in counts.items():
    found = database.execute(f"SELECT count(*) FROM '{name}'").fetchone()
    assert found == (expected,), (name, found)
assert database.execute(f"SELECT sum(n) FROM '{root}/rows.parquet' WHERE k = 1").fetchone() == (250_000,)
assert len(database.execute(f"FROM glob('{root}/**')").fetchall()) == 4

"""Use pyarrow: `python pyarrow_client.py`, with the variables of endpoints.py."""

import os
from importlib import import_module
from pathlib import Path

pyarrow = import_module("pyarrow")
fs_module = import_module("pyarrow.fs")
parquet = import_module("pyarrow.parquet")
dataset = import_module("pyarrow.dataset")
bucket, big = os.environ["S3_BUCKET"], os.environ["S3_BIG_FILE"]
scheme, address = os.environ["S3_ENDPOINT"].split("://")
fs = fs_module.S3FileSystem(
    access_key=os.environ["AWS_ACCESS_KEY_ID"],
    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    session_token=os.environ["AWS_SESSION_TOKEN"],
    region="eu-test-1",
    scheme=scheme,
    endpoint_override=address,
    **({"tls_ca_file_path": os.environ["SSL_CERT_FILE"]} if scheme == "https" else {}),
)
root = f"{bucket}/pyarrow"

with fs.open_output_stream(f"{root}/a b", metadata={"Content-Type": "text/plain", "color": "red"}) as file:
    file.write(b"hello")
with fs.open_input_stream(f"{root}/a b") as file:
    assert file.read() == b"hello"
    assert b"text/plain" in file.metadata().values()
with fs.open_input_file(f"{root}/a b") as file:
    file.seek(1)
    assert file.read(2) == b"el"
whole = Path(big).read_bytes()
with fs.open_output_stream(f"{root}/big") as file:
    file.write(whole)
with fs.open_input_file(f"{root}/big") as file:
    assert file.read() == whole
fs.copy_file(f"{root}/big", f"{root}/copy")
fs.move(f"{root}/copy", f"{root}/moved")
assert fs.get_file_info(f"{root}/moved").size == len(whole)
assert fs.get_file_info(f"{root}/none").type == fs_module.FileType.NotFound
fs.create_dir(f"{root}/folder")

table = pyarrow.table({"n": list(range(1000)), "k": ["a", "b"] * 500})
parquet.write_table(table, f"{root}/table.parquet", filesystem=fs)
assert parquet.read_table(f"{root}/table.parquet", filesystem=fs, columns=["n"]).num_rows == 1000
dataset.write_dataset(table, f"{root}/set", format="parquet", partitioning=["k"], filesystem=fs)
assert dataset.dataset(f"{root}/set", format="parquet", filesystem=fs).count_rows() == 1000
names = {one.path for one in fs.get_file_info(fs_module.FileSelector(root, recursive=True))}
assert f"{root}/big" in names
assert f"{root}/table.parquet" in names
fs.delete_file(f"{root}/moved")
fs.delete_dir(root)
assert fs.get_file_info(f"{root}/big").type == fs_module.FileType.NotFound

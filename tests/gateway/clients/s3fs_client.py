"""Use s3fs: `python s3fs_client.py`, with the variables of endpoints.py."""

import os
import urllib.request
from importlib import import_module
from pathlib import Path

s3fs = import_module("s3fs")
bucket, big = os.environ["S3_BUCKET"], os.environ["S3_BIG_FILE"]
fs = s3fs.S3FileSystem(client_kwargs={"endpoint_url": os.environ["S3_ENDPOINT"], "region_name": "eu-test-1"})
root = f"{bucket}/s3fs"

with fs.open(f"{root}/a b.txt", "wb") as file:
    file.write(b"hello")
fs.setxattr(f"{root}/a b.txt", color="red")
assert fs.cat(f"{root}/a b.txt") == b"hello"
assert fs.cat_file(f"{root}/a b.txt", start=1, end=3) == b"el"
assert fs.metadata(f"{root}/a b.txt", refresh=True) == {"color": "red"}
fs.pipe(f"{root}/piped", b"x" * 10)
fs.put(big, f"{root}/big")
fs.get(f"{root}/big", big + ".s3fs")
assert Path(big).read_bytes() == Path(big + ".s3fs").read_bytes()
with fs.open(f"{root}/parts", "wb", block_size=5 * 2**20) as file:
    file.write(Path(big).read_bytes())
with fs.open(f"{root}/big", "rb") as file:
    file.seek(1_000_000)
    assert len(file.read(100)) == 100
fs.copy(f"{root}/big", f"{root}/copy")
fs.mv(f"{root}/copy", f"{root}/moved")
assert sorted(fs.ls(root, refresh=True)) == [f"{root}/{name}" for name in ("a b.txt", "big", "moved", "parts", "piped")]
assert len(fs.find(root)) == 5
assert fs.exists(f"{root}/big")
assert not fs.exists(f"{root}/none")
assert fs.info(f"{root}/big")["size"] == Path(big).stat().st_size
assert urllib.request.urlopen(fs.url(f"{root}/a b.txt")).read() == b"hello"
fs.rm(f"{root}/moved")
fs.rm(root, recursive=True)
fs.invalidate_cache()
assert not fs.exists(f"{root}/big")

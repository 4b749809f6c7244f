"""The part of the demonstration in which credentials open objects: the gateway in front of a store.

Owns the scene. The store knows one key, and no users, roles or policies.
"""

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping

from demo.object_store import running_gateway, running_store
from demo.stage import DemoError, Stage, indent, say, shorten

_BUCKET = "reports"
_OBJECTS = f"arn:aws:s3:::{_BUCKET}"
_HELLO, _PRIVATE = f"s3://{_BUCKET}/public/hello.txt", f"s3://{_BUCKET}/private/salaries.txt"


def objects_in_a_store(stage: Stage, account: str, key: dict[str, str]) -> None:
    """Play it: allowed and refused objects, a URL, a session policy and a bucket policy."""
    store_of_accounts = stage.folder / "daypass.db"
    with running_store(stage.folder / "objects") as store:
        say(f"A store of objects ({store.profile}) that knows one key, and the gateway in front of it.")
        arguments = ["--backend", store.url, "--backend-key-file", str(store.key_file), "--profile", store.profile]
        arguments += ["--store", f"sqlite:///{store_of_accounts}", "--account", account]
        print(f"\n  $ daypass gateway --backend {store.url} --backend-key-file store.key --profile {store.profile}")
        with running_gateway(stage.folder, arguments) as url:
            stage.s3 = url
            _fill_a_bucket(stage)
            role_arn = _a_role_for_objects(stage, account)
            _an_assumed_role_reads(stage, key, role_arn)
            _a_presigned_url(stage)
            _a_session_policy(stage, key, role_arn)
            _a_bucket_policy(stage)
            stage.s3 = ""


def _document(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _fill_a_bucket(stage: Stage) -> None:
    stage.become(stage.root)
    say("The account creates a bucket, with two objects.")
    (stage.folder / "hello.txt").write_text("hello from the store\n")
    (stage.folder / "salaries.txt").write_text("salaries\n")
    stage.aws("s3", "mb", f"s3://{_BUCKET}", shows="make_bucket")
    stage.aws("s3", "cp", "hello.txt", _HELLO, "--no-progress", shows="upload: ./hello.txt")
    stage.aws("s3", "cp", "salaries.txt", _PRIVATE, "--no-progress", shows="upload: ./salaries.txt")


def _a_role_for_objects(stage: Stage, account: str) -> str:
    say("A role that may list the bucket and read public objects. Alice may assume it.")
    alice = f"arn:aws:iam::{account}:user/alice"
    trust = _document({"Effect": "Allow", "Principal": {"AWS": alice}, "Action": "sts:AssumeRole"})
    role = stage.aws("iam", "create-role", "--role-name", "reader", "--assume-role-policy-document", trust, quiet=True)
    policy = _document(
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": _OBJECTS},
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{_OBJECTS}/public/*"},
    )
    stage.aws(
        "iam", "put-role-policy", "--role-name", "reader", "--policy-name", "read", "--policy-document", policy
    )  # fmt: skip
    arn: str = role["Role"]["Arn"]
    return arn


def _assume(stage: Stage, key: dict[str, str], role_arn: str, *more: str) -> None:
    stage.become(key)
    ask = ("sts", "assume-role", "--role-arn", role_arn, "--role-session-name", "objects")
    stage.become(stage.aws(*ask, *more, quiet=True)["Credentials"])


def _an_assumed_role_reads(stage: Stage, key: dict[str, str], role_arn: str) -> None:
    say("With the role's session she lists the bucket and reads a public object.")
    _assume(stage, key, role_arn)
    stage.aws("s3", "ls", f"s3://{_BUCKET}/public/", shows="hello.txt")
    stage.aws("s3", "cp", _HELLO, "-", shows="hello from the store")
    say("A private object, and every upload, are refused.")
    stage.aws("s3", "cp", _PRIVATE, "-", fails="Forbidden")
    stage.aws("s3", "cp", "hello.txt", _HELLO, fails="because no identity-based policy allows the s3:PutObject action")


def _a_presigned_url(stage: Stage) -> None:
    say("A URL that opens one object for five minutes, without credentials.")
    url = stage.aws("s3", "presign", _HELLO, "--expires-in", "300", shows="X-Amz-Signature=")
    _fetch(url, shows="hello from the store")
    say("With another key in it, the signature is not valid.")
    _fetch(url.replace("public/hello.txt", "private/salaries.txt"), shows="SignatureDoesNotMatch")


def _fetch(url: str, *, shows: str) -> None:
    print(f"\n  $ curl {shorten(repr(url))}")
    program = shutil.which("curl")
    if program is not None:
        said = subprocess.run([program, "-sS", url], capture_output=True, text=True, timeout=60, check=True).stdout
    else:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own address
                said = answer.read().decode()
        except urllib.error.HTTPError as refusal:
            said = refusal.read().decode()
    print(indent(shorten(" ".join(said.split()))))
    if shows not in said:
        raise DemoError(f"curl {url}: expected {shows!r} in:\n{said}")


def _a_session_policy(stage: Stage, key: dict[str, str], role_arn: str) -> None:
    say("A session policy cuts the role down to listing.")
    policy = _document({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"})
    _assume(stage, key, role_arn, "--policy", policy)
    stage.aws("s3", "ls", f"s3://{_BUCKET}/public/", shows="hello.txt")
    stage.aws("s3", "cp", _HELLO, "-", fails="Forbidden")


def _a_bucket_policy(stage: Stage) -> None:
    say("Another account cannot read the object, until the bucket's policy allows it.")
    other = stage.daypass("account", "create", "--standalone", "--name", "other", store=stage.folder / "daypass.db")
    stage.become(other["RootAccessKey"])
    get = ("s3api", "get-object", "--bucket", _BUCKET, "--key", "public/hello.txt", "received.txt")
    stage.aws(*get, fails="AccessDenied")
    stage.become(stage.root)
    reads = {
        "Effect": "Allow",
        "Principal": {"AWS": other["AccountId"]},
        "Action": "s3:GetObject",
        "Resource": f"{_OBJECTS}/public/*",
    }
    stage.aws("s3api", "put-bucket-policy", "--bucket", _BUCKET, "--policy", _document(reads))
    stage.become(other["RootAccessKey"])
    stage.aws(*get, shows="ETag")
    if (stage.folder / "received.txt").read_text() != "hello from the store\n":
        raise DemoError("the other account received another object")
    stage.aws("s3", "cp", _PRIVATE, "-", fails="Forbidden")

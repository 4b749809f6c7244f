"""A gateway as two processes, http and https, and the variables that tell a client program about it.

The variables are those that the programs read themselves, and S3_ENDPOINT, S3_BUCKET and S3_BIG_FILE: a file that is
large enough for uploads in parts. A program has the credentials of an assumed role.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import boto3
import trustme
from tests.components import client_programs, node_packages
from tests.gateway.stores import StoreServer
from tests.process.daypass import clean_environment, serving
from tests.process.daypass_gateway import gateway, key_file, role_session

_BIG = 13_000_001  # bytes: three parts
_BUCKETS = count(1)


@dataclass(frozen=True)
class ClientEndpoints:
    """The running gateway, by the scheme of its URL."""

    urls: Mapping[str, str]
    credentials: Mapping[str, Any]
    authority: Path
    big: bytes

    def new_bucket(self, scheme: str) -> str:
        """Create a bucket of the role's account, and return its name."""
        name = f"clients-{next(_BUCKETS)}"
        boto3.client(
            "s3",
            endpoint_url=self.urls[scheme],
            region_name="us-east-1",
            verify=str(self.authority),
            aws_access_key_id=self.credentials["AccessKeyId"],
            aws_secret_access_key=self.credentials["SecretAccessKey"],
            aws_session_token=self.credentials["SessionToken"],
        ).create_bucket(Bucket=name)
        return name

    def environment(self, scheme: str, bucket: str, folder: Path) -> dict[str, str]:
        """Return the environment of a client program that works in a folder."""
        file = folder / "big-file"
        file.write_bytes(self.big)
        authority = str(self.authority)
        return clean_environment(
            {
                "S3_ENDPOINT": self.urls[scheme],
                "S3_BUCKET": bucket,
                "S3_BIG_FILE": str(file),
                "AWS_ACCESS_KEY_ID": self.credentials["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": self.credentials["SecretAccessKey"],
                "AWS_SESSION_TOKEN": self.credentials["SessionToken"],
                "AWS_REGION": "eu-test-1",
                "AWS_DEFAULT_REGION": "eu-test-1",
                "AWS_MAX_ATTEMPTS": "1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CA_BUNDLE": authority,
                "SSL_CERT_FILE": authority,
                "NODE_EXTRA_CA_CERTS": authority,
                "DAYPASS_NODE_PACKAGES": str(node_packages()),
                "HOME": str(folder),
                "PATH": os.pathsep.join((*client_programs(), os.environ["PATH"])),
            }
        )


@contextmanager
def running_endpoints(folder: Path, store: StoreServer) -> Iterator[ClientEndpoints]:
    """Run a server and a gateway in front of a store."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    key = folder / "key.pem"
    key.touch(mode=0o600)
    issued.private_key_pem.write_to_path(key)
    (folder / "certificate.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    authority.cert_pem.write_to_path(folder / "authority.pem")
    accounts = f"sqlite:///{folder / 'd.db'}"
    words = ("--backend", store.url, "--backend-key-file", key_file(folder, store), "--profile", store.name)
    tls = ("--tls-cert", str(folder / "certificate.pem"), "--tls-key", str(key))
    with (
        serving(accounts) as server,
        gateway(accounts, *words) as plain,
        gateway(accounts, *words, *tls) as secure,
    ):
        urls = {"http": plain.url, "https": secure.url.replace("http:", "https:")}
        big = Random(1).randbytes(_BIG)  # noqa: S311 - the content of a file
        yield ClientEndpoints(urls, role_session(server), folder / "authority.pem", big)

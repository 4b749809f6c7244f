"""Write the configuration files of a program.

Owns the table of the settings that a program gets from the selected profile, and the private folder with the files
while the program runs. AWS's tools search files before a container's endpoint, so the files have no credentials, no
roles and no other profiles. A setting that is not in the table may select credentials, and is left out.
Source: AWS SDKs and Tools Reference Guide, "Settings reference"; botocore's `BotoProvider`.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Settings of a profile that do not concern credentials.
KEPT = frozenset(
    {
        "account_id_endpoint_mode",
        "api_versions",
        "auth_scheme_preference",
        "ca_bundle",
        "defaults_mode",
        "disable_host_prefix_injection",
        "disable_request_compression",
        "ec2_metadata_v1_disabled",
        "endpoint_discovery_enabled",
        "endpoint_url",
        "max_attempts",
        "output",
        "parameter_validation",
        "region",
        "request_checksum_calculation",
        "request_min_compression_size_bytes",
        "response_checksum_validation",
        "retry_mode",
        "s3",
        "s3_disable_express_session_auth",
        "s3_disable_multiregion_access_points",
        "s3_us_east_1_regional_endpoint",
        "s3_use_arn_region",
        "s3api",
        "sdk_ua_app_id",
        "services",
        "sigv4a_signing_region_set",
        "sts_regional_endpoints",
        "tcp_keepalive",
        "use_dualstack_endpoint",
        "use_fips_endpoint",
        "user_agent_appid",
    }
)
_KEPT_PREFIX = "cli_"
# Variables that name a file with credentials. AWS SDK for Java 1 has a variable of its own; boto's replaces ~/.boto and
# /etc/boto.cfg too.
_WITH_KEYS = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CREDENTIAL_PROFILES_FILE", "BOTO_CONFIG")


def child_config(options: Mapping[str, str], services: Mapping[str, Mapping[str, str]]) -> str:
    """Return a config file with the settings that are kept.

    They are those of its only profile, `default`. `services` are the services sections by name.
    """
    kept = {key: value for key, value in options.items() if key in KEPT or key.startswith(_KEPT_PREFIX)}
    named = services.get(kept.get("services", ""))
    return _section("default", kept) + ("" if named is None else _section(f"services {kept['services']}", named))


def _section(header: str, options: Mapping[str, str]) -> str:
    # The lines of a nested block are indented: otherwise each would be an option or a section of its own.
    lines = [f"{key} = " + "\n  ".join(value.splitlines()) for key, value in options.items()]
    return "\n".join([f"[{header}]", *lines, ""])


@contextmanager
def own_files(config: str, *, mark: str) -> Iterator[dict[str, str]]:
    """Write the files, and yield the variables that name them.

    The files are removed when the context ends; `mark` is the name of the file that says so to Daypass in the program.
    If the machine has no writable folder, the program gets no files.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="daypass-", ignore_cleanup_errors=True)
    except OSError:
        missing = "/nonexistent/daypass"
        yield {"AWS_CONFIG_FILE": missing, **dict.fromkeys(_WITH_KEYS, missing)}
        return
    with folder as place:
        written, empty = Path(place, "config"), Path(place, "credentials")
        written.write_text(config, encoding="utf-8", errors="surrogateescape")
        empty.write_text("", encoding="utf-8")
        Path(place, mark).write_text("These files are removed when the program ends.\n", encoding="utf-8")
        yield {"AWS_CONFIG_FILE": str(written), **dict.fromkeys(_WITH_KEYS, str(empty))}

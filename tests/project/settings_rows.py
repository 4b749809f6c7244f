"""The effect of each setting, its unit and its range, in the groups of docs/settings.md.

Owns the words. The names, types, defaults, flags and environment variables come from the code, and the form of the page
from settings_page.py. A new setting of config.py or gateway/settings.py needs a row here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from daypass.config import CONNECTIONS_BOUND, LONGEST_DRAIN, SIGN_IN_BOUND, STALE_BOUND


@dataclass(frozen=True, slots=True)
class SettingRow:
    """What a setting does. `default` replaces a default that depends on other settings."""

    effect: str
    values: str = ""  # a unit such as seconds, or a form such as URL
    bounds: tuple[int, int | None] | None = None
    default: str = ""


_CIDRS = "CIDRs, comma-separated"

SERVER: Mapping[str, Mapping[str, SettingRow]] = {
    "Address and TLS": {
        "host": SettingRow(
            "the address to listen on; every address except loopback needs TLS or trusted proxies", "address"
        ),
        "port": SettingRow("the port to listen on; with 0 the system chooses a free one", "port", (0, 65_535)),
        "public_url": SettingRow(
            "the URL that clients and browsers use. It is required if the host is a wildcard such as `0.0.0.0` or `::`, "
            "because cookies, redirects and device addresses contain it",
            "URL",
            default="the address to listen on",
        ),
        "s3_endpoint_url": SettingRow(
            "the URL of the [S3 gateway](gateway.md), for the profiles that the first start, `account create` and the "
            "portal show",
            "URL",
            default="`http://127.0.0.1:7880` while the public URL is loopback",
        ),
        "tls_cert": SettingRow("the certificate chain, read again on SIGHUP; needs `tls_key`", "PEM file"),
        "tls_key": SettingRow("the private key of the certificate, read again on SIGHUP", "PEM file"),
        "trusted_proxies": SettingRow(
            "the networks whose `X-Forwarded-*` headers are used, see [behind a proxy](behind-a-proxy.md)", _CIDRS
        ),
        "regions": SettingRow(
            "the regions that are served. Without it, any name with up to 63 letters, digits and hyphens is served, such "
            "as `garage`, `auto` or `RegionOne`, and compared exactly as it was signed",
            "names, comma-separated",
            default="every region",
        ),
    },
    "Processes": {
        "workers": SettingRow("the number of worker processes", "processes", (1, None)),
        "drain_seconds": SettingRow(
            "how long the server goes on after SIGTERM, see [restarts](restarts.md); it "
            "counts for `daypass gateway` too",
            "seconds",
            (0, LONGEST_DRAIN),
        ),
        "reuse_port": SettingRow(
            "share the port with the process that takes over, see [one node alone](restarts.md#one-node-alone)"
        ),
        "cache_entries": SettingRow("the number of derived values that a process caches", "entries"),
    },
    "Store": {
        "store": SettingRow(
            "`sqlite:///PATH`, or `postgresql://USER:PASS@HOST/DB`, see [PostgreSQL](postgresql.md)",
            "URL",
            default="a SQLite file in the user's data directory",
        ),
        "read_store": SettingRow(
            "a streaming replica that answers loads, see [reads from a replica](postgresql.md#reads-from-a-replica)",
            "`postgresql://` URL",
        ),
        "store_connections": SettingRow(
            "the most connections of one process to PostgreSQL, see "
            "[connections](postgresql.md#connections-to-postgresql)",
            "connections",
            CONNECTIONS_BOUND,
        ),
        "stale_seconds": SettingRow(
            "how long a process honours cached permissions while its database does not answer; after that, calls get "
            "`ServiceUnavailable`",
            "seconds",
            STALE_BOUND,
        ),
        "gateway_stale_seconds": SettingRow(
            "the same for a [gateway with `--server`](resource-servers.md#revocation-and-a-lost-link)",
            "seconds",
            STALE_BOUND,
        ),
        "rotate_keys_days": SettingRow(
            "the age at which servers replace sealing and signing keys; with 0 only `daypass keys rotate` does. Only "
            "`daypass saml rotate-key` replaces the key of requests to SAML providers",
            "days",
        ),
    },
    "Logs and metrics": {
        "audit_log": SettingRow(
            "the file for audit events; `-` is standard output, `none` disables the log; see [the audit log](audit.md)",
            "file",
            default="`audit.jsonl` beside a SQLite store, else standard output",
        ),
        "audit_log_required": SettingRow(
            "refuse every call that issues or changes something while its event cannot be written, see "
            "[a full disk](audit.md#a-full-disk)"
        ),
        "audit_sinks": SettingRow(
            "copies of the audit log to other systems, in the short form: `syslog+tls://HOST:PORT`, `https://HOST/PATH` "
            "or `stdout`; see [audit sinks](audit-sinks.md)",
            "URLs, comma-separated",
        ),
        "audit_sink": SettingRow(
            "`[[audit_sink]]`: the same with all options, see [audit sinks](audit-sinks.md)", "tables"
        ),
        "audit_spool": SettingRow(
            "the directory for events that a sink has not accepted yet, on a file system with locks",
            "directory",
            default="`audit-spool` beside the audit log, else beside a SQLite store",
        ),
        "access_log": SettingRow(
            "the file for [one line of each request](monitoring.md#access-log); `-` is standard output, `off` disables it",
            "file",
            default="`off`",
        ),
        "log_level": SettingRow(
            "the least level that is logged; `debug` has a line for each answered request",
            "`debug`, `info`, `warning`, `error`",
        ),
        "log_format": SettingRow(
            "the form of the log on standard error: a JSON document for each line, or text",
            "`json`, `text`",
            default="`text` on a terminal, else `json`",
        ),
        "metrics_port": SettingRow("a separate port for the metrics; the main port then has no `/metrics`", "port"),
        "traces": SettingRow(
            "whether to export [traces](tracing.md) with OpenTelemetry, which the extra `otel` installs. The collector is "
            "that of OpenTelemetry's own variables, such as `OTEL_EXPORTER_OTLP_ENDPOINT`"
        ),
    },
    "Limits": {
        "unsigned_calls_per_minute": SettingRow(
            "calls that a peer may make without authentication: unsigned calls, and calls with an invalid signature, key "
            "or token. Further ones get `Throttling`; calls with a valid signature are never limited. An IPv6 /64 is one "
            "peer; 0 means no limit",
            "calls per minute",
        ),
        "connections_per_peer": SettingRow(
            "open connections of one peer to one worker process; 0 means no limit, see "
            "[limits](limits.md#limits-of-requests-and-connections)",
            "connections",
        ),
        "quotas": SettingRow("a table in the TOML file, see [quotas](#quotas)", "table", default="AWS's"),
    },
    "People who sign in": {
        "sign_in_session_minutes": SettingRow(
            "how long a [sign-in](sign-in-security.md) of a person lasts; 129,600 are 90 days. A change counts for new "
            "sign-ins",
            "minutes",
            SIGN_IN_BOUND,
        ),
        "sign_in_api": SettingRow(
            "serve the APIs with which the AWS CLI and SDKs sign in (`aws sso login`, `aws login`)"
        ),
        "oidc_clients": SettingRow(
            "the OpenID Connect providers at `/login`, see [portal.md](portal.md). [Clients in the store](oidc-clients.md) "
            "need no restart",
            "`ISSUER CLIENT_ID [SECRET FILE]`, comma-separated",
        ),
        "organization_name": SettingRow(
            "the name on the pages of the [portal](portal.md#your-organization)", "at most 100 characters"
        ),
        "organization_logo": SettingRow("the logo on these pages", "`data:` URL or path"),
        "support_url": SettingRow("the help link on these pages", "URL"),
        "login_option": SettingRow(
            "`[[login_option]]`: the label, logo and order of a provider on the "
            "[sign-in page](portal.md#the-names-of-providers)",
            "tables in the TOML file",
        ),
    },
    "Assertions, tokens and webhooks": {
        "saml_audiences": SettingRow("additional audiences of [assertions](saml.md)", "strings, comma-separated"),
        "saml_recipients": SettingRow("additional recipients of assertions", "URLs, comma-separated"),
        "saml_allow_sha1": SettingRow("accept signatures of assertions with SHA-1"),
        "saml_one_use": SettingRow("an assertion is valid for one session"),
        "oidc_ca_bundle": SettingRow("the CAs of issuers of [web identity tokens](oidc.md)", "PEM file"),
        "oidc_allowed_networks": SettingRow("private and loopback networks in which issuers are allowed", _CIDRS),
        "oidc_enforce_thumbprints": SettingRow(
            "verify the thumbprints of issuers' certificates, see [oidc.md](oidc.md)"
        ),
        "webhook_allowed_networks": SettingRow(
            "private and loopback networks in which [delegation](delegation.md) webhooks are allowed", _CIDRS
        ),
    },
}

GATEWAY: Mapping[str, SettingRow] = {
    "listen": SettingRow("the S3 endpoint. Any address except loopback needs TLS or trusted proxies", "`HOST:PORT`"),
    "admin_listen": SettingRow(
        "`/healthz`, `/readyz`, `/metrics`. These are bucket names on the S3 endpoint", "`HOST:PORT`"
    ),
    "verify_listen": SettingRow("`/verify` for proxies, see [proxies.md](proxies.md)", "`HOST:PORT`"),
    "domains": SettingRow(
        "domains whose host names begin with a bucket; the flag can be repeated", "names, comma-separated"
    ),
    "account": SettingRow(
        "the account of every bucket without an owner, see [buckets.md](buckets.md#buckets-that-exist-already)",
        "12 digits",
        default="the only account",
    ),
    "workers": SettingRow("the number of worker processes", "processes", (1, None)),
    "tls_cert": SettingRow("the certificate chain, read again on SIGHUP", "PEM file"),
    "tls_key": SettingRow(
        "the private key of the certificate, read again on SIGHUP. Other users must not have access to it", "PEM file"
    ),
    "server": SettingRow(
        "the Daypass server, for a gateway without the store, see [resource-servers.md](resource-servers.md)", "URL"
    ),
    "identity_profile": SettingRow("the AWS profile that the gateway signs with at `server`", "profile"),
    "resource_server": SettingRow("the name of its registration at `server`", "name"),
    "server_ca_bundle": SettingRow(
        "the CAs of the server's certificate", "PEM file", default="Mozilla's, as botocore has them"
    ),
    "self_check": SettingRow("check at the start whether the stores behave as their profiles say"),
    "audit_log": SettingRow(
        "the gateway's own audit file",
        "file",
        default="`gateway-audit.jsonl` beside a SQLite store, else standard output",
    ),
    "audit_reads": SettingRow("the share of successful reads that get an audit event", "0 to 1"),
}

QUOTAS: Mapping[str, str] = {
    "users": "users",
    "groups": "groups",
    "roles": "roles",
    "policies": "managed policies",
    "policy_versions": "versions of a managed policy",
    "instance_profiles": "instance profiles",
    "providers": "providers of each kind, SAML and OpenID Connect",
    "access_keys_per_user": "access keys of a user",
    "groups_per_user": "groups of a user",
    "mfa_devices_per_user": "MFA devices of a user",
    "attached_policies": "managed policies of a user, group or role",
    "tags": "tags of an entity",
    "buckets": "buckets",
    "oidc_clients": "clients for sign-in",
    "managed_policy_characters": "characters of a managed policy",
    "trust_policy_characters": "characters of a trust policy",
    "inline_user_characters": "characters of all inline policies of a user",
    "inline_group_characters": "characters of all inline policies of a group",
    "inline_role_characters": "characters of all inline policies of a role",
    "saml_metadata_characters": "characters of one metadata document",
    "saml_metadata_account_characters": "characters of all metadata documents",
}

BOUNDED: Mapping[str, tuple[int, int | None]] = {
    name: row.bounds for rows in SERVER.values() for name, row in rows.items() if row.bounds is not None
}
"""The range of each setting of the server that has one."""

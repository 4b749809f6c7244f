"""The pages whose shell examples run, and the commands among them that do not.

Owns three tables: PAGES has a row for each page, with its preparation; PROGRAMS and NOT_RUN list commands that are not
run, with the reason. A command of a page of PAGES that is in neither runs. Leaves running them to page_shell.py.

A preparation is shell code with the environment of the page: AWS_PROFILE=daypass-root is the root user of an account of
the page alone, DAYPASS_STORE the store of the shared server, and `$HOME` a folder of the page.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.project.page_shell import ShellCommand

_WHEELS = "installs packages: tests/release and .ci/run install the wheels"
_BROWSER = "needs a browser: tests/sso and tests/sign_in sign people in"
_GATEWAY = "needs a gateway with a store: tests/gateway, tests/process/test_gateway_page.py"
_LEMONLDAP = "configures LemonLDAP::NG, which is not a component of the tests"

# The first word of a command that is not run, and the reason.
PROGRAMS: Mapping[str, str] = {
    "$cli": _LEMONLDAP,
    "age": "a program for backups that is not a component of the tests",
    "apt": _WHEELS,
    "bao": "tests/storage runs OpenBao's Transit engine",
    "brew": "macOS",
    "buildah": "tests/deploy runs the image where it can be built",
    "docker": "tests/deploy reads compose.yaml, and runs the image where it can be built",
    "kubectl": "needs a cluster",
    "pip": _WHEELS,
    "pipx": _WHEELS,
    "pkcs11-tool": "tests/storage runs SoftHSM",
    "podman": "tests/deploy runs the image where it can be built",
    "softhsm2-util": "tests/storage runs SoftHSM",
    "systemctl": "needs systemd as the first process: tests/deploy runs the programs of the units",
    "uv": _WHEELS,
    "xclip": "a program for desktops",
}

# The beginning of a command that is not run, and the reason. Each must begin a command of the page.
NOT_RUN: Mapping[str, Mapping[str, str]] = {
    "docs/backup.md": {"sed '1,": "age is not a component of the tests"},
    "docs/command-line.md": {"daypass login": _BROWSER, "AWS_PROFILE=deploy aws s3": _GATEWAY},
    "docs/container.md": {
        "chown": "needs root",
        "cd packaging": "the commands behind it would write into the checkout; they run in a folder of the page",
    },
    "docs/cookbook/air-gapped.md": {
        **dict.fromkeys(("python3 -m venv", "/opt/daypass/bin/pip", "cp constraints-server.txt", "tar -"), _WHEELS),
        "make docs": "builds this site: tests/project/test_site.py",
    },
    "docs/cookbook/haproxy.md": {"sudo install -d": "needs root"},
    "docs/ending-sessions.md": {
        "daypass sessions revoke --sign-in": _BROWSER,
        "daypass sessions revoke --delegation": "needs a partner's request: tests/delegation",
    },
    "docs/import.md": {
        "aws iam get-open-id-connect-provider": "its ARN is left out",
        "aws s3api": _GATEWAY,
        "for bucket": _GATEWAY,
        "daypass import account.json --rewrite --backend": _GATEWAY,
    },
    "docs/installing.md": {
        "daypass keys list": "shows the client alone, which `make test-client` installs",
        "python3 -m venv": _WHEELS,
        "/opt/daypass/bin/pip": _WHEELS,
        "PIP_NO_INDEX=1": _WHEELS,
    },
    "docs/master-key.md": {
        "export DAYPASS_MASTER_KEY": "sets another master key than that of the store",
        "daypass master-key rotate --finish": "waits for a minute: tests/cli/test_master_key_command.py",
    },
    "docs/monitoring.md": {"DAYPASS_ACCESS_LOG=": "the server of all pages has an access log"},
    "docs/oidc.md": {
        "cli=": _LEMONLDAP,
        "rp=": _LEMONLDAP,
        "export AWS_ROLE_ARN": "needs the token of a pod: tests/federation and tests/web_identity",
        "aws sts get-caller-identity --query": "needs the token of a pod: tests/federation and tests/web_identity",
        "daypass token inspect": "needs the token of a pod: tests/web_identity",
    },
    "docs/organization.md": {"aws sts assume-root": "needs a server with this organization: tests/organization"},
    "docs/portal.md": {"daypass dev": "tests/dev runs the demonstration"},
    "docs/resource-servers.md": {"daypass gateway": _GATEWAY},
    "docs/scoped-credentials.md": {
        "aws sts get-scoped-credentials": "needs an AWS CLI that is newer than the pinned one"
    },
    "docs/sign-in.md": {
        **dict.fromkeys(("aws sso login", "aws configure sso", "aws login", "aws s3 ls"), _BROWSER),
        **dict.fromkeys(("aws sts get-caller-identity", "export AWS_"), "follows a sign-in in a browser"),
    },
    "docs/sign-in-security.md": {"daypass sessions revoke --sign-in": _BROWSER},
}


# Pages whose shell examples do not run at all, and the reason; a name that ends with a slash is a folder.
NOT_RUN_PAGES: Mapping[str, str] = {
    "docs/audit-sinks.md": "needs the receiver of a webhook: tests/audit_sinks",
    "docs/buckets.md": _GATEWAY,
    "docs/cookbook/kubernetes.md": "needs a cluster",
    "docs/cookbook/postgresql.md": "needs several machines: tests/process and tests/storage fail over real clusters",
    "docs/cookbook/systemd.md": "needs systemd as the first process: tests/deploy judges the units and runs their programs",
    "docs/delegation.md": "needs the request of a partner: tests/delegation",
    "docs/developing.md": _WHEELS,
    "docs/inspect.md": "needs the token of an issuer: tests/web_identity",
    "docs/integrations/": "the test that each page names runs the tool",
    "docs/kubernetes.md": "needs a cluster",
    "docs/people.md": "tests/dev runs the demonstration",
    "docs/postgresql.md": "needs databases on other machines: tests/storage runs PostgreSQL",
    "docs/propagation.md": "needs an AWS CLI that is newer than the pinned one: tests/federation",
    "docs/providers/README.md": "names placeholders",
    "docs/providers/adfs.md": "needs the identity provider",
    "docs/providers/google-workspace.md": "needs the identity provider",
    "docs/providers/lemonldap-ng.md": _LEMONLDAP,
    "docs/proxies.md": "tests/gateway/proxies runs the shipped configurations with nginx and Caddy",
    "docs/releasing.md": "makes a release: tests/release",
    "docs/restarts.md": "leaves out arguments: tests/process restarts servers",
    "docs/saml.md": "needs the assertion of an identity provider: tests/saml",
    "docs/scaling.md": "measures for minutes: `make bench` and `make test-slow`",
    "docs/services.md": _GATEWAY,
    "docs/systemd.md": "needs systemd as the first process: tests/deploy judges the units and runs their programs",
    "docs/testing.md": _WHEELS,
    "docs/tracing.md": "needs a collector of OpenTelemetry: tests/traces",
    "docs/testing-control.md": "tests/dev runs the control endpoint",
}


@dataclass(frozen=True, slots=True)
class PageRow:
    """How the commands of a page run.

    `before` is code before the first command. `files` has the files that commands read, each by a text in its block of
    the page. `after` has code behind the command that contains a text. `replaced` has further words of the page.
    `refused` lists texts of commands that fail, as the prose says. A page with `own_server` starts its own server, and
    one with `own_store` has a store without a server.
    """

    before: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    refused: Sequence[str] = ()
    own_server: bool = False
    own_store: bool = False
    needs: Sequence[str] = ()


# The first profile, which a server that was not started from a terminal writes into a file.
_FIRST_PROFILE = """
python3 - <<'SPLIT'
import pathlib
home = pathlib.Path.home()
(source,) = [*home.glob(".local/share/daypass/daypass-root-*.ini"), *pathlib.Path().glob("daypass-root-*.ini")]
credentials, config = source.read_text().split("# For ~/.aws/config\\n")
(home / ".aws/credentials").write_text(credentials)
(home / ".aws/config").write_text(config)
SPLIT
"""
_TRUST = (
    """'{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","""
    """"Principal":{"AWS":"123456789012"}}}'"""
)
_ALLOW = """'{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'"""


def _role(name: str) -> str:
    return (
        f"aws iam create-role --role-name {name} --assume-role-policy-document {_TRUST}\n"
        f"aws iam put-role-policy --role-name {name} --policy-name all --policy-document {_ALLOW}\n"
    )


def _user(name: str) -> str:
    """Return code that makes a user with all permissions, and a profile with its key."""
    return (
        f"aws iam create-user --user-name {name}\n"
        f"aws iam put-user-policy --user-name {name} --policy-name all --policy-document {_ALLOW}\n"
        f"aws iam create-access-key --user-name {name} --output text"
        " --query 'AccessKey.[AccessKeyId,SecretAccessKey]' |\n"
        f'  {{ read -r id secret; echo "$secret" | daypass profile add {name} --access-key-id "$id" --no-input'
        " --endpoint-url http://127.0.0.1:7878; }\n"
    )


# A certificate for 127.0.0.1, which curl and the AWS CLI trust.
_CERTIFICATE = """
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \\
    -keyout sts.key -out sts-chain.pem 2>/dev/null
export CURL_CA_BUNDLE=$PWD/sts-chain.pem AWS_CA_BUNDLE=$PWD/sts-chain.pem
"""
_WAIT = "for _ in {1..400}; do curl -s -o /dev/null https://sts.example.com/ && break; sleep 0.05; done\n"
_PORT = {"127.0.0.1:7878": "127.0.0.1:$SERVER", "https://sts.example.com": "https://127.0.0.1:$PROXY", "sudo ": ""}
_NGINX = """
cp sts.key tls/sts.key; cp sts-chain.pem tls/sts.pem
cat > nginx.conf <<END
daemon off; pid $PWD/pid; error_log $PWD/error.log; events {}
http { access_log off; client_body_temp_path $PWD/t1; proxy_temp_path $PWD/t2; fastcgi_temp_path $PWD/t3;
uwsgi_temp_path $PWD/t4; scgi_temp_path $PWD/t5; include daypass.conf; }
END
nginx() { /usr/sbin/nginx -c "$PWD"/nginx.conf -p "$PWD" "$@"; }
"""
_AGENTS = """
for name in my-agent summarize report.py; do printf '#!/bin/sh\\ntest -n "$AWS_SESSION_TOKEN"\\n' > $name; chmod +x $name; done
PATH=$PWD:$PATH
"""
_JWKS = """
openssl genrsa -out key.pem 2048 2>/dev/null
python3 -c 'from cryptography.hazmat.primitives import serialization as s; import base64, json
n = s.load_pem_private_key(open("key.pem", "rb").read(), None).public_key().public_numbers()
b = lambda v, size: base64.urlsafe_b64encode(v.to_bytes(size, "big")).rstrip(b"=").decode()
print(json.dumps({"keys": [{"kty": "RSA", "kid": "1", "n": b(n.n, 256), "e": b(n.e, 3)}]}))' > jwks.json
"""

PAGES: Mapping[str, PageRow] = {
    "README.md": PageRow(
        own_server=True, after={"daypass serve": "ls ~/.local/share/daypass/daypass.db ~/.local/share/daypass/*.ini"}
    ),
    "docs/access.md": PageRow(before=_role("deploy")),
    "docs/apply.md": PageRow(
        own_store=True,
        before="export DAYPASS_SECRET_CI_SECRET=abcdefghijklmnopqrstuvwxyzabcdefghijklmn; mkdir -p keys\n"
        + _JWKS
        + "mv jwks.json keys/cluster.json\n",
        files={"identity.yaml": "name: platform "},
    ),
    "docs/audit.md": PageRow(
        before="""
lines() { until grep -q "$1" "$LOGS"/audit.jsonl; do sleep 0.05; done; cat "$LOGS"/audit.jsonl; }
aws sts get-caller-identity; lines GetCallerIdentity > audit.jsonl.1
KEY=$(aws sts get-session-token --query Credentials.AccessKeyId --output text)
lines "$KEY" | tail -n +$(($(wc -l < audit.jsonl.1) + 1)) > audit.jsonl; export DAYPASS_AUDIT_LOG=$PWD/audit.jsonl
DIGEST=$(tail -n 1 audit.jsonl | tr -d '\\n' | sha256sum | cut -d ' ' -f 1)
""",
        replaced={"ASIAXXXXXXXXXXXXXXXX": "$KEY", "DIGEST": "$DIGEST"},
    ),
    "docs/backup.md": PageRow(
        before="mkdir -p srv test; (umask 077; echo a long passphrase of a backup > /etc/daypass/backup.passphrase)\n",
        after={"sqlite:////srv": "cp /var/backups/*.backup latest.backup; cp latest.backup daypass.backup"},
        replaced={"sqlite:////srv/new": "sqlite:///srv", "sqlite:///test": "sqlite:///test"},
    ),
    "docs/command-line.md": PageRow(
        before=_user("ann") + _role("deploy"),
        replaced={
            "ARN": "arn:aws:iam::123456789012:role/deploy",
            "AKIA…  ": "AKIAIOSFODNN7EXAMPL2 --no-input <<< a-secret-of-some-length ",
            "profile add ann": "profile add bob",
        },
    ),
    "docs/container.md": PageRow(),
    "docs/cookbook/caddy.md": PageRow(
        own_server=True,
        before=_CERTIFICATE
        + "{ printf '{\\n admin off\\n auto_https disable_redirects\\n}\\n'; cat Caddyfile.page; } > Caddyfile\n",
        files={"Caddyfile.page": "copy to /etc/caddy/Caddyfile"},
        after={
            "daypass serve": _FIRST_PROFILE,
            "caddy validate": "caddy run --config Caddyfile --adapter caddyfile >caddy.log 2>&1 &\n" + _WAIT,
        },
        replaced=_PORT
        | {"sts.example.com {": "https://127.0.0.1:$PROXY {\n\ttls sts-chain.pem sts.key", "/etc/caddy/": ""},
        needs=("caddy", "curl", "jq"),
    ),
    "docs/cookbook/haproxy.md": PageRow(
        own_server=True,
        before="mkdir tls\n" + _CERTIFICATE,
        files={"haproxy.cfg": "append to /etc/haproxy/haproxy.cfg"},
        after={
            "daypass serve": _FIRST_PROFILE,
            "haproxy -c": "/usr/sbin/haproxy -db -f haproxy.cfg >haproxy.log 2>&1 &\n" + _WAIT,
        },
        replaced=_PORT | {":443": "127.0.0.1:$PROXY", "/etc/haproxy/": ""},
        needs=("haproxy", "curl", "jq"),
    ),
    "docs/cookbook/air-gapped.md": PageRow(before=_JWKS),
    "docs/cookbook/monitoring.md": PageRow(
        before="mkdir prometheus\n",
        after={
            "promtool test rules": "sed -i 's/15s/1s/; s/7878/$SERVER/' prometheus/prometheus.yml\n"
            "prometheus --config.file=prometheus/prometheus.yml --storage.tsdb.path=tsdb --web.listen-address=127.0.0.1:$PROXY "
            ">prometheus.log 2>&1 &\n"
            "for _ in {1..600}; do promtool query instant http://127.0.0.1:$PROXY daypass_ready 2>&1 | grep -q '=> 1' && break; "
            "sleep 0.1; done\n"
        },
        replaced={
            "packaging/monitoring": "$CHECKOUT/packaging/monitoring",
            "/etc/prometheus": "prometheus",
            "127.0.0.1:9090": "127.0.0.1:$PROXY",
            "localhost:7878": "localhost:$SERVER",
            "sudo ": "",
        },
        needs=("promtool",),
    ),
    "docs/cookbook/nginx.md": PageRow(
        own_server=True,
        before="mkdir tls\n" + _CERTIFICATE + _NGINX,
        files={"daypass.conf": "copy to /etc/nginx/conf.d"},
        after={"daypass serve": _FIRST_PROFILE, "nginx -t": "nginx >nginx.log 2>&1 &\n" + _WAIT},
        replaced=_PORT | {"listen 443": "listen 127.0.0.1:$PROXY", "/etc/nginx/": ""},
        needs=("nginx", "curl", "jq"),
    ),
    "docs/ending-sessions.md": PageRow(
        before=_role("deploy") + "aws iam create-user --user-name ann\n",
        replaced={
            "AKIA…": "AKIAIOSFODNN7EXAMPLE",
            "--role deploy": "--account 123456789012 --role deploy",
            "--user ann": "--account 123456789012 --user ann",
        },
    ),
    "docs/errors.md": PageRow(before='cp "$LOGS"/audit.jsonl .\n', needs=("jq",)),
    "docs/getting-started.md": PageRow(
        own_server=True,
        after={"daypass serve": _FIRST_PROFILE},
        replaced={". trial/bin/activate": "true", "python3 -m venv trial && ": ""},
        refused=("--user-name eve",),
    ),
    "docs/import.md": PageRow(before=_role("deploy")),
    "docs/index.md": PageRow(own_server=True),
    "docs/installing.md": PageRow(),
    "docs/master-key.md": PageRow(
        own_store=True,
        before="daypass account create >/dev/null\n",
        replaced={
            "/var/lib/daypass/master.key": "$ROOM/master.key",
            "12 more secrets": "2 more secrets",
            "Secrets: 12, of which 12 were": "Secrets: 2, of which 2 were",
        },
    ),
    "docs/monitoring.md": PageRow(
        before='aws sts get-caller-identity; ln -s "$LOGS"/access.jsonl access.jsonl\n',
        replaced={"192.0.2.7": "127.0.0.1", "user/alice": "root"},
        needs=("curl",),
    ),
    "docs/oidc.md": PageRow(
        before=_JWKS + "for url in kubernetes.default.svc.cluster.local keycloak.example.com/realms/acme; do\n"
        "aws iam create-open-id-connect-provider --url https://$url --client-id-list sts.amazonaws.com; done\n",
    ),
    "docs/oidc-clients.md": PageRow(
        before="export DAYPASS_PUBLIC_URL=https://sts.example.com; (umask 077; echo a-client-secret > secret)\n",
        replaced={"client add corp": "client add corp --account 123456789012"},
    ),
    "docs/operating.md": PageRow(
        own_server=True,
        before=_CERTIFICATE + "mv sts.key key.pem; mv sts-chain.pem cert.pem; export CURL_CA_BUNDLE=cert.pem\n",
        replaced={"https://sts.example.com": "https://127.0.0.1:$SERVER"},
    ),
    "docs/organization.md": PageRow(
        own_store=True,
        before="""
daypass account create --management --id 123456789012 >/dev/null; daypass account create --id 222222222222 >/dev/null
echo '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"iam:CreateUser","Resource":"*"}}' > deny.json
""",
    ),
    "docs/portal.md": PageRow(before="echo '<svg/>' > logo.svg\n"),
    "docs/resource-servers.md": PageRow(replaced={"--service s3": "--account 123456789012 --service s3"}),
    "docs/scoped-credentials.md": PageRow(
        before=_role("analyst")
        + _user("ann")
        + "daypass profile add analyst --role arn:aws:iam::123456789012:role/analyst --source-profile ann\n"
        "export AWS_PROFILE=analyst\n" + _AGENTS,
        files={"read-reports.json": 'arn:aws:s3:::reports*"}'},
    ),
    "docs/sign-in.md": PageRow(needs=("curl",)),
    "docs/sign-in-security.md": PageRow(before='cp "$LOGS"/audit.jsonl .\n', needs=("jq",)),
}


def program(command: ShellCommand) -> str:
    """Return the first word of a command that is not a variable."""
    words = re.sub(r"^\(umask \d+; ", "", command.text).split()
    return next((word for word in words if not re.match(r"\w+=", word) and word != "sudo"), words[0])


def reason_not_run(page: str, command: ShellCommand) -> str:
    """Return the reason why a command of a page is not run, or an empty string."""
    for beginning, reason in NOT_RUN.get(page, {}).items():
        if command.text.startswith(beginning):
            return reason
    return PROGRAMS.get(program(command), "")

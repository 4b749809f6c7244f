"""The part of the demonstration in which a customer delegates to a partner: asked, approved, traded in.

Owns the scene, and the partner's webhook that the exchange token is posted to.
"""

import json
import queue
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from demo.stage import Stage, say

from daypass.testing.certificates import Authority

_PATIENCE = 30  # seconds for a notice to come


@dataclass
class Webhook:
    """A partner's webhook, and the notices that came."""

    url: str
    notifications: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)

    def wait_for(self, state: str) -> dict[str, Any]:
        """Return the notice of a state, once it comes."""
        while True:
            notification = self.notifications.get(timeout=_PATIENCE)
            if notification["State"] == state:
                return notification


@contextmanager
def listening(authority: Authority, folder: Path) -> Iterator[Webhook]:
    """Listen for notices over TLS, under a certificate of `authority`."""
    hook = Webhook("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.notifications.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.write_server_identity(folder / "webhook.pem", ["localhost", "127.0.0.1"]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    hook.url = f"https://localhost:{server.server_address[1]}/notices"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()


def a_delegation(stage: Stage, account: str, authority: Authority, store: Path) -> None:
    """Play it: a partner asks, the customer approves, and the partner trades its token in, once."""
    say("A partner requests access to this account. A template names the permissions; its webhook gets the answer.")
    partner = stage.daypass("account", "create", "--standalone", "--name", "partner", store=store)
    with listening(authority, stage.folder) as hook:
        stage.become(partner["RootAccessKey"])
        rights = {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"}
        policy = stage.aws(
            "iam", "create-policy", "--policy-name", "look",
            "--policy-document", json.dumps({"Version": "2012-10-17", "Statement": [rights]}), quiet=True,
        )  # fmt: skip
        made = stage.aws(
            "iam", "create-delegation-request", "--owner-account-id", account, "--description", "Count the users.",
            "--permissions", json.dumps({"PolicyTemplateArn": policy["Policy"]["Arn"]}),
            "--requestor-workflow-id", "workflow-1", "--notification-channel", hook.url, "--session-duration", "3600",
        )  # fmt: skip
        request = ("--delegation-request-id", made["DelegationRequestId"])
        say("The customer associates the request with the account, accepts it and sends the token.")
        stage.become(stage.root)
        stage.aws("iam", "associate-delegation-request", *request)
        stage.aws("iam", "accept-delegation-request", *request)
        stage.aws("iam", "send-delegation-token", *request)
        token = hook.wait_for("FINALIZED")["ExchangeToken"]
    say("The partner exchanges the token once, for credentials of the approver, limited to the approved permissions.")
    stage.become(partner["RootAccessKey"])
    exchange_token = ("sts", "get-delegated-access-token", "--trade-in-token", token)
    session = stage.aws(*exchange_token, quiet=True)
    stage.aws(*exchange_token, fails="ExpiredTradeInTokenException")
    stage.become(session["Credentials"])
    stage.aws("iam", "list-users", "--query", "Users[].UserName", shows="alice")
    stage.aws("iam", "create-user", "--user-name", "mallory", fails="AccessDenied")

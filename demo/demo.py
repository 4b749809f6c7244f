"""`make demo`: Daypass in one screen, played by the real AWS CLI against a server that is gone afterwards.

Owns the story. Every command's answer is checked; the exit code is 0 only if each did what it should.
"""

import json
import sys

from demo.delegation import a_delegation
from demo.federation import a_root_session, a_saml_assertion, a_web_identity_token, an_outbound_token
from demo.objects import objects_in_a_store
from demo.sign_in import a_person_signs_in
from demo.stage import DemoError, Stage, say, set_stage
from demo.totp import code

from daypass.testing.oidc import OidcIssuer


def trust(principal: str, **conditions: object) -> str:
    """Return a trust policy for one AWS principal."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "sts:AssumeRole",
        **({"Condition": conditions} if conditions else {}),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(action: str | list[str], **more: object) -> str:
    """Return a policy that allows one thing or several, perhaps under a condition."""
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [statement | {name.title(): value for name, value in more.items()}]}
    )


def who_am_i(stage: Stage) -> str:
    """Play the first question anybody asks."""
    say("Who am I? The root user of a new account; its key was made at the first start.")
    account: str = stage.aws("sts", "get-caller-identity", "--query", "Account", "--output", "text")
    stage.aws("sts", "get-caller-identity", shows=f"arn:aws:iam::{account}:root")
    return account


def a_user_and_a_role(stage: Stage, account: str) -> tuple[dict[str, str], str]:
    """Play the making of a user, and of a role that trusts it under a condition."""
    say("A user with a key of her own.")
    stage.aws("iam", "create-user", "--user-name", "alice")
    key = stage.aws("iam", "create-access-key", "--user-name", "alice", quiet=True)["AccessKey"]
    say("A role that she can assume with an external ID, and that can list users.")
    alice = f"arn:aws:iam::{account}:user/alice"
    policy = trust(alice, StringEquals={"sts:ExternalId": "blue-42"})
    role = stage.aws("iam", "create-role", "--role-name", "auditor", "--assume-role-policy-document", policy)
    stage.aws(
        "iam", "put-role-policy", "--role-name", "auditor", "--policy-name", "look",
        "--policy-document", allow("iam:ListUsers"),
    )  # fmt: skip
    return key, role["Role"]["Arn"]


def assume_the_role(stage: Stage, key: dict[str, str], role_arn: str) -> None:
    """Play a refusal, an AssumeRole, and what the session may and may not do."""
    stage.become(key)
    say("Alice has no permissions of her own. The refusal says why.")
    stage.aws("sts", "get-caller-identity", shows="user/alice")
    stage.aws("iam", "list-users", fails="because no identity-based policy allows the iam:ListUsers action")
    say("Without the external ID she cannot assume the role.")
    ask = ("sts", "assume-role", "--role-arn", role_arn, "--role-session-name", "monday")
    stage.aws(*ask, fails="AccessDenied")
    say("With the external ID she gets credentials for 15 minutes.")
    session = stage.aws(*ask, "--external-id", "blue-42", "--duration-seconds", "900", quiet=True)
    stage.become(session["Credentials"])
    say("Who am I now? The session can list users, but cannot delete them.")
    stage.aws("sts", "get-caller-identity", shows="assumed-role/auditor/monday")
    stage.aws("iam", "list-users", "--query", "Users[].UserName", shows="alice")
    stage.aws("iam", "delete-user", "--user-name", "alice", fails="AccessDenied")


def explain_a_refusal(stage: Stage, root: dict[str, str], key: dict[str, str]) -> None:
    """Play the question that a refused person asks, which is why."""
    say("Why was Alice refused? A caller with the permission can decode the message of the refusal.")
    stage.become(key)
    message = stage.denial_of("iam", "list-users")
    stage.become(root)
    stage.aws(
        "sts", "decode-authorization-message", "--encoded-message", message,
        "--query", "DecodedMessage", "--output", "text", shows="iam:ListUsers",
    )  # fmt: skip
    stage.aws("sts", "get-access-key-info", "--access-key-id", key["AccessKeyId"])


def sessions_with_and_without_mfa(stage: Stage, account: str, root: dict[str, str], key: dict[str, str]) -> None:
    """Play a second factor: a virtual device, and a session that remembers it."""
    stage.become(root)
    say("A virtual MFA device for Alice. Any authenticator app can enrol it; this demo computes the codes itself.")
    seed_file = stage.folder / "seed.txt"
    serial = f"arn:aws:iam::{account}:mfa/alice"
    stage.aws(
        "iam", "create-virtual-mfa-device", "--virtual-mfa-device-name", "alice",
        "--outfile", str(seed_file), "--bootstrap-method", "Base32StringSeed",
    )  # fmt: skip
    seed = seed_file.read_text().strip()
    stage.aws(
        "iam", "enable-mfa-device", "--user-name", "alice", "--serial-number", serial,
        "--authentication-code1", code(seed, steps_ahead=-2), "--authentication-code2", code(seed, steps_ahead=-1),
    )  # fmt: skip
    say("She can list users, but only with MFA: the policy requires aws:MultiFactorAuthPresent.")
    stage.aws(
        "iam", "put-user-policy", "--user-name", "alice", "--policy-name", "with-mfa",
        "--policy-document", allow("iam:ListUsers", condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
    )  # fmt: skip
    stage.become(key)
    stage.aws("iam", "list-users", fails="AccessDenied")
    stage.aws(
        "sts", "get-session-token", "--serial-number", serial, "--token-code", "000000", fails="invalid MFA one time"
    )
    session = stage.aws(
        "sts", "get-session-token", "--serial-number", serial, "--token-code", code(seed), quiet=True
    )  # fmt: skip
    stage.become(session["Credentials"])
    stage.aws("iam", "list-users", "--query", "Users[].UserName", shows="alice")
    say("A session cannot request another session.")
    stage.aws("sts", "get-session-token", fails="Cannot call GetSessionToken with session credentials")


def a_federated_user(stage: Stage, root: dict[str, str]) -> None:
    """Play GetFederationToken: rights cut from its maker's by the policy that is passed."""
    stage.become(root)
    say("A federated user: the caller chooses its name, and the passed policy limits its permissions.")
    session = stage.aws(
        "sts", "get-federation-token", "--name", "bob", "--policy", allow("sts:GetCallerIdentity"), quiet=True
    )
    stage.become(session["Credentials"])
    stage.aws("sts", "get-caller-identity", shows="federated-user/bob")


def a_narrower_session(stage: Stage, root: dict[str, str], key: dict[str, str], role_arn: str) -> None:
    """Play GetScopedCredentials: an agent gets a part of the session of the person who starts it."""
    stage.become(root)
    say("An AI agent gets less than the person who starts it. The role may list roles too, and narrow its sessions.")
    stage.aws(
        "iam", "put-role-policy", "--role-name", "auditor", "--policy-name", "narrow",
        "--policy-document", allow(["iam:ListRoles", "sts:GetScopedCredentials"]),
    )  # fmt: skip
    stage.become(key)
    session = stage.aws(
        "sts", "assume-role", "--role-arn", role_arn, "--role-session-name", "agent", "--external-id", "blue-42",
        quiet=True,
    )  # fmt: skip
    stage.become(session["Credentials"])
    stage.aws("iam", "list-roles", "--query", "Roles[].RoleName", shows="auditor")
    say("The agent keeps her session's name. It can list users for ten minutes, but not roles.")
    narrow = stage.aws(
        "sts", "get-scoped-credentials", "--policy", allow("iam:ListUsers"), "--duration-seconds", "600",
        "--scoped-session-description", "the agent of the demonstration", quiet=True,
    )  # fmt: skip
    stage.become(narrow["Credentials"])
    stage.aws("sts", "get-caller-identity", shows="assumed-role/auditor/agent")
    stage.aws("iam", "list-users", "--query", "Users[].UserName", shows="alice")
    stage.aws("iam", "list-roles", fails="because no session policy allows the iam:ListRoles action")


def settings_for(issuer: OidcIssuer) -> dict[str, str]:
    """Return the settings that open an issuer and a webhook on this machine to the server."""
    loopback = "127.0.0.0/8,::1/128"
    return {
        "DAYPASS_OIDC_CA_BUNDLE": str(issuer.ca_bundle),
        "DAYPASS_OIDC_ALLOWED_NETWORKS": loopback,
        "DAYPASS_WEBHOOK_ALLOWED_NETWORKS": loopback,
    }


def main() -> int:
    """Play it all."""
    print("Daypass: a server on an empty store, and the real AWS CLI.")
    try:
        with OidcIssuer(algorithms=("ES256",)) as issuer, set_stage(settings_for(issuer)) as stage:
            root = stage.root
            account = who_am_i(stage)
            key, role_arn = a_user_and_a_role(stage, account)
            assume_the_role(stage, key, role_arn)
            explain_a_refusal(stage, root, key)
            sessions_with_and_without_mfa(stage, account, root, key)
            a_federated_user(stage, root)
            a_narrower_session(stage, root, key, role_arn)
            a_saml_assertion(stage, account)
            a_web_identity_token(stage, account, issuer)
            an_outbound_token(stage)
            a_delegation(stage, account, issuer.authority, stage.folder / "daypass.db")
            a_root_session(stage, stage.folder / "daypass.db")
            objects_in_a_store(stage, account, key)
        a_person_signs_in()
    except DemoError as failed:
        print(f"\ndemo: {failed}", file=sys.stderr)
        return 1
    print("\nEvery command did what it should. The server is stopped and its directory is gone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

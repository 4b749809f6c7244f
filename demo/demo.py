"""`make demo`: Daypass in one screen, played by the real AWS CLI against a server that is gone afterwards.

Owns the story. Every command's answer is checked; the exit code is 0 only if each did what it should.
"""

import json
import sys

from demo.stage import DemoFailed, Stage, set_stage


def trust(principal: str, **conditions: object) -> str:
    """Return a trust policy for one AWS principal."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "sts:AssumeRole",
        **({"Condition": conditions} if conditions else {}),
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(action: str, resource: str = "*") -> str:
    """Return a policy that allows one thing."""
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}
    )


def say(text: str) -> None:
    """Print what comes next."""
    print(f"\n— {text}")


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
    say("A role that trusts her, if she knows the ExternalId, and that may list users.")
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
    say("Alice may do nothing by herself, and is told why.")
    stage.aws("sts", "get-caller-identity", shows="user/alice")
    stage.aws("iam", "list-users", fails="because no identity-based policy allows the iam:ListUsers action")
    say("Without the ExternalId the role stays closed.")
    ask = ("sts", "assume-role", "--role-arn", role_arn, "--role-session-name", "monday")
    stage.aws(*ask, fails="AccessDenied")
    say("With it she gets credentials for a quarter of an hour.")
    session = stage.aws(*ask, "--external-id", "blue-42", "--duration-seconds", "900", quiet=True)
    stage.become(session["Credentials"])
    say("Who am I now? The session may look, and may not touch.")
    stage.aws("sts", "get-caller-identity", shows="assumed-role/auditor/monday")
    stage.aws("iam", "list-users", "--query", "Users[].UserName", shows="alice")
    stage.aws("iam", "delete-user", "--user-name", "alice", fails="AccessDenied")


def main() -> int:
    """Play it all."""
    print("Daypass: a server on an empty store, and the real AWS CLI.")
    try:
        with set_stage() as stage:
            account = who_am_i(stage)
            key, role_arn = a_user_and_a_role(stage, account)
            assume_the_role(stage, key, role_arn)
    except DemoFailed as failed:
        print(f"\ndemo: {failed}", file=sys.stderr)
        return 1
    print("\nEvery command did what it should. The server is stopped and its directory is gone.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

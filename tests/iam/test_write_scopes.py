"""The table of the scopes of writes names each operation that writes."""

from daypass.operations.operation import StoreAccess
from daypass.operations.registry import full_registry
from daypass.operations.write_scopes import SCOPES, WriteScope, account_to_lock

ACCOUNT = "111111111111"
# These change nothing in the transaction of the request.
WITHOUT_WRITES = {StoreAccess.CACHE, StoreAccess.BLOCKING, StoreAccess.READ, StoreAccess.SHORT_READ}
# Their access depends on the call, and is never WRITE: a claim has a transaction of its own.
VARIABLE = {"sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"}


def _writes() -> set[str]:
    registry = full_registry()
    found = set()
    for name in registry.names():
        operation = registry.find(*name.split(":"))
        access = getattr(operation, "access", None)
        if name not in VARIABLE and access not in WITHOUT_WRITES:
            assert access is StoreAccess.WRITE, name
            found.add(name)
    return found


def test_the_table_names_exactly_the_operations_that_write() -> None:
    """A new operation that writes fails here until its scope is decided."""
    assert set(SCOPES) == _writes()


def test_an_operation_of_an_account_locks_its_account() -> None:
    """One in the scope of the store, an unknown one and an unsigned one lock the whole store."""
    registry = full_registry()
    create_user = registry.find("iam", "CreateUser")
    assert account_to_lock(create_user, ACCOUNT) == ACCOUNT
    assert account_to_lock(create_user, "") is None
    assert account_to_lock(None, ACCOUNT) is None
    assert account_to_lock(registry.find("iam", "CreateAccountAlias"), ACCOUNT) is None
    assert account_to_lock(registry.find("sts", "GetDelegatedAccessToken"), ACCOUNT) is None


def test_what_crosses_accounts_is_in_the_scope_of_the_store() -> None:
    """Names across accounts, the organization, delegation, and the issuers that accounts share."""
    words = ("Alias", "Organizations", "Delegat", "Outbound", "SecurityTokenService", "PasswordPolicy")
    assert {scope for name, scope in SCOPES.items() if any(word in name for word in words)} == {WriteScope.STORE}
    assert {SCOPES[f"iam:{verb}SAMLProvider"] for verb in ("Create", "Update", "Delete")} == {WriteScope.STORE}

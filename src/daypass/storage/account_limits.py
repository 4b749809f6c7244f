"""The limits of a writer of one account, the same for every store.

Other accounts' writers may run at the same time, so a change outside the account would not be alone. It is a mistake of
an operation that operations/write_scopes.py lists: it fails, and the transaction is rolled back.
"""


def require_in_account(account: str | None, changed: str) -> None:
    """Refuse a change in another account. Raises ValueError.

    A writer without an account may change all.
    """
    if account is not None and changed != account:
        raise ValueError(f"the transaction of the account {account} cannot change the account {changed or '(none)'}")


def require_known_number(account: str | None) -> None:
    """Refuse to return a number that is not known yet. Raises ValueError."""
    if account is not None:
        raise ValueError(f"the number of a write of the account {account} is known only at its end")

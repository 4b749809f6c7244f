"""What exists: accounts, users, groups, roles, policies, keys, and the promises a store of them makes."""

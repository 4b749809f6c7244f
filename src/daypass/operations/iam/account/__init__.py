"""Settings and reports of a whole account.

Owns the account's alias, password policy, token preferences, outbound federation and organization
features, its summary, its authorization details and its credential report.
Leaves single entities to the folders beside it.
"""

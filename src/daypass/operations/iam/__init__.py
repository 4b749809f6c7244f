"""The actions of IAM: a folder for each topic, a file for each noun.

Owns the code that all topics share: the base class of an action, pagination, tags, the lookup of named entities, the
user of an action without a UserName, and the table of all actions.
Leaves the topics to the folders: policies, identities, mfa, providers, simulate, delegation, account. `.importlinter`
lists the folders in layers: a folder imports only from the folders below it.
"""

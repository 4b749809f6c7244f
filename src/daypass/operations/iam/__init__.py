"""The actions of IAM, one file a noun, in a folder for each topic.

Owns what all of them share: the base class of an action, lists in pages, tags, the lookup of named
entities, the user that an action without a UserName is about, and the table of all actions.
Leaves the topics to the folders: policies, identities, mfa, providers, simulate, delegation, account.
A folder imports from those below it in `.importlinter`, and never the other way round.
"""

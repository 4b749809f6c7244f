"""The commands of a person who wants credentials, one file a command.

Owns the arguments and the output of `daypass login`, `whoami`, `assume`, `exec` and the others under
"Commands" in `daypass --help`.
Leaves the work to daypass.client, and imports no server.
"""

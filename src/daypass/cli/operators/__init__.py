"""The commands of an operator of a server, one file a command.

Owns the arguments and the output of `daypass serve`, `apply`, `explain` and the others under
"Commands for operators of a server" in `daypass --help`.
Leaves the work to the packages of the server. Each command opens the store directly.
"""

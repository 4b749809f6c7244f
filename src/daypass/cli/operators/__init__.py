"""The commands of an operator of a server, one file a command.

Owns the arguments and the output of `daypass serve`, `apply`, `sessions` and the others under
"Commands for operators of a server" in `daypass --help`. The commands about policies are in policies/, and those about
gateways in gateways/.
Leaves the work to the packages of the server. Each command opens the store directly.
"""

"""Options, output and exit codes that several commands share.

Owns the options for sessions and stores, the output formats, the exit codes, and the steps of a
sign-in at a terminal.
Leaves everything that only one command needs to that command's file.
"""

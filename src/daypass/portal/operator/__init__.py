"""The pages for operators: role graph, recent refusals, keys.

Owns these pages and the operator session that opens them. All of them only read.
Leaves every change to the API and to the command line.
"""

"""The condition operators, one file for each family.

Owns the comparison of strings, numbers, dates, booleans and addresses, and the table of operators.
Leaves set operators, `IfExists` and the combination of conditions to policy/condition.py.
"""

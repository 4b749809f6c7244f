"""The policy simulator of IAM.

The actions are SimulateCustomPolicy, SimulatePrincipalPolicy, and those that return context keys.
Owns the input of a simulation, the policies that it leaves out, and the form of its results.
Leaves the decision to daypass.policy, which is the same engine that decides real calls.
"""

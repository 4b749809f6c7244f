"""The actions of STS and IAM, behind one interface.

Owns the interface of an operation, the registry of all operations, the quotas, and the services that
several operations share.
Leaves each action to sts/ or iam/, and the order of the stages to the pipeline.
"""

"""The policies that the server itself contains.

Owns AWS's managed policies for IAM and STS, the task policies of AssumeRoot, and the policy that revokes older
sessions. Leaves the policies of customers to the records in the store.
"""

"""The IAM of an AWS account, as `aws iam get-account-authorization-details` prints it, brought into a store."""

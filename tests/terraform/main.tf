# Every resource and data source of IAM and STS in the AWS provider that has something to do here.
# `round` is 1, then 2: every argument that can change in place does.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "access_key" { type = string }
variable "secret_key" { type = string }
variable "deploy_role" { type = string }
variable "ci_role" { type = string }
variable "token" { type = string }
variable "issuer" { type = string }
variable "metadata" { type = string }
variable "other_metadata" { type = string }
variable "round" { type = number }
variable "login" { type = bool }

locals {
  first = var.round == 1
  tags  = var.round == 1 ? { team = "blue", stage = "test" } : { team = "green", owner = "ops" }
}

provider "aws" {
  region                  = "us-east-1"
  access_key              = var.access_key
  secret_key              = var.secret_key
  skip_metadata_api_check = true
  endpoints {
    iam = var.endpoint
    sts = var.endpoint
  }
  default_tags { tags = { managed = "terraform" } }
}

provider "aws" {
  alias                   = "assumed"
  region                  = "eu-west-1"
  access_key              = var.access_key
  secret_key              = var.secret_key
  skip_metadata_api_check = true
  assume_role {
    role_arn     = var.deploy_role
    session_name = "terraform"
    external_id  = "from-terraform"
    duration     = "30m"
    tags         = { run = "7" }
  }
  endpoints {
    iam = var.endpoint
    sts = var.endpoint
  }
}

provider "aws" {
  alias                   = "web"
  region                  = "us-east-1"
  skip_metadata_api_check = true
  assume_role_with_web_identity {
    role_arn           = var.ci_role
    session_name       = "pipeline"
    web_identity_token = var.token
  }
  endpoints {
    iam = var.endpoint
    sts = var.endpoint
  }
}

# Documents --------------------------------------------------------------------------------------------------

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "read" {
  statement {
    sid       = "Read"
    actions   = local.first ? ["s3:GetObject"] : ["s3:GetObject", "s3:ListBucket"]
    resources = ["arn:aws:s3:::data", "arn:aws:s3:::data/*"]
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalTag/team"
      values   = ["blue", "green"]
    }
  }
}

# Users, groups, keys ----------------------------------------------------------------------------------------

resource "aws_iam_user" "alice" {
  name                 = "alice"
  path                 = "/staff/"
  permissions_boundary = aws_iam_policy.boundary.arn
  force_destroy        = true
  tags                 = local.tags
}

# The provider tags a user before it renames it, so one change cannot do both, here or on AWS.
resource "aws_iam_user" "renamed" {
  name = local.first ? "bob" : "robert"
  path = local.first ? "/" : "/guests/"
}

resource "aws_iam_access_key" "alice" {
  user   = aws_iam_user.alice.name
  status = local.first ? "Active" : "Inactive"
}

resource "aws_iam_group" "staff" {
  name = "staff"
  path = local.first ? "/" : "/teams/"
}

resource "aws_iam_user_group_membership" "alice" {
  user   = aws_iam_user.alice.name
  groups = [aws_iam_group.staff.name]
}

resource "aws_iam_group_membership" "more" {
  name  = "more"
  group = aws_iam_group.more.name
  users = [aws_iam_user.alice.name]
}

resource "aws_iam_group" "more" { name = "more" }

resource "aws_iam_user_policy" "alice" {
  name   = "own"
  user   = aws_iam_user.alice.name
  policy = data.aws_iam_policy_document.read.json
}

resource "aws_iam_user_policy_attachment" "alice" {
  user       = aws_iam_user.alice.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_group_policy" "staff" {
  name   = "own"
  group  = aws_iam_group.staff.name
  policy = data.aws_iam_policy_document.read.json
}

resource "aws_iam_group_policy_attachment" "staff" {
  group      = aws_iam_group.staff.name
  policy_arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
}

resource "aws_iam_virtual_mfa_device" "phone" {
  virtual_mfa_device_name = "phone"
  tags                    = local.tags
}

resource "aws_iam_user_login_profile" "alice" {
  count = var.login ? 1 : 0
  user  = aws_iam_user.alice.name
}

# Policies ---------------------------------------------------------------------------------------------------

resource "aws_iam_policy" "read" {
  name        = "read"
  description = "Read the data"
  path        = "/data/"
  policy      = data.aws_iam_policy_document.read.json
  tags        = local.tags
}

resource "aws_iam_policy" "boundary" {
  name_prefix = "boundary-"
  policy      = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "s3:*", Resource = "*" }] })
}

resource "aws_iam_policy_attachment" "everywhere" {
  name       = "everywhere"
  policy_arn = aws_iam_policy.shared.arn
  roles      = [aws_iam_role.host.name]
  groups     = local.first ? [] : [aws_iam_group.more.name]
}

resource "aws_iam_policy" "shared" {
  name   = "shared"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Deny", Action = "iam:*", Resource = "*" }] })
}

# Roles ------------------------------------------------------------------------------------------------------

resource "aws_iam_role" "host" {
  name                  = "host"
  path                  = "/hosts/"
  description           = local.first ? "A host" : "A host, described again"
  max_session_duration  = local.first ? 3600 : 7200
  assume_role_policy    = data.aws_iam_policy_document.trust.json
  permissions_boundary  = local.first ? aws_iam_policy.boundary.arn : null
  force_detach_policies = true
  tags                  = local.tags
}

resource "aws_iam_role_policy" "host" {
  name   = "own"
  role   = aws_iam_role.host.id
  policy = data.aws_iam_policy_document.read.json
}

resource "aws_iam_role_policy_attachment" "host" {
  role       = aws_iam_role.host.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_role" "exclusive" {
  name_prefix        = "exclusive-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policies_exclusive" "exclusive" {
  role_name    = aws_iam_role.exclusive.name
  policy_names = []
}

resource "aws_iam_role_policy_attachments_exclusive" "exclusive" {
  role_name   = aws_iam_role.exclusive.name
  policy_arns = local.first ? [aws_iam_policy.read.arn] : []
}

resource "aws_iam_instance_profile" "host" {
  name = "host"
  path = "/hosts/"
  role = aws_iam_role.host.name
  tags = local.tags
}

resource "aws_iam_service_linked_role" "elb" {
  aws_service_name = "elasticloadbalancing.amazonaws.com"
  description      = local.first ? "Balances" : "Balances again"
  tags             = local.tags
}

# The older form, with policies inside the role.
resource "aws_iam_role" "inline" {
  name               = "inline"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  inline_policy {
    name   = "get"
    policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["s3:Get*"], Resource = "*" }] })
  }
  inline_policy {
    name   = local.first ? "list" : "put"
    policy = jsonencode({ Version = "2012-10-17", Statement = { Effect = "Allow", NotAction = "iam:*", Resource = ["*"] } })
  }
  managed_policy_arns = ["arn:aws:iam::aws:policy/ReadOnlyAccess", aws_iam_policy.read.arn]
}

resource "aws_iam_role" "imported" {
  name = "imported"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = aws_iam_role.inline.arn } },
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = [aws_iam_user.alice.arn, "999988887777"] } },
    ]
  })
}

resource "aws_iam_user_policies_exclusive" "renamed" {
  user_name    = aws_iam_user.alice.name
  policy_names = [aws_iam_user_policy.alice.name]
}

resource "aws_iam_group_policy_attachments_exclusive" "staff" {
  group_name  = aws_iam_group.staff.name
  policy_arns = [aws_iam_group_policy_attachment.staff.policy_arn]
}

# Providers --------------------------------------------------------------------------------------------------

resource "aws_iam_saml_provider" "corp" {
  name                   = "corp"
  saml_metadata_document = local.first ? var.metadata : var.other_metadata
  tags                   = local.tags
}

resource "aws_iam_openid_connect_provider" "ci" {
  url             = "https://token.actions.example.com"
  client_id_list  = local.first ? ["sts.amazonaws.com"] : ["sts.amazonaws.com", "other"]
  thumbprint_list = [local.first ? "6938fd4d98bab03faadb97b34396831e3780aea1" : "1c58a3a8518e8759bf075b76b750d4f2df264fcd"]
  tags            = local.tags
}

# The account ------------------------------------------------------------------------------------------------

resource "aws_iam_account_password_policy" "account" {
  minimum_password_length        = local.first ? 14 : 20
  require_lowercase_characters   = true
  require_numbers                = true
  require_uppercase_characters   = local.first
  require_symbols                = true
  allow_users_to_change_password = true
  max_password_age               = 90
  password_reuse_prevention      = 5
}

resource "aws_iam_account_alias" "account" { account_alias = "terraform-test" }

resource "aws_iam_security_token_service_preferences" "account" {
  global_endpoint_token_version = local.first ? "v1Token" : "v2Token"
}

resource "aws_iam_organizations_features" "account" {
  enabled_features = local.first ? ["RootCredentialsManagement"] : ["RootCredentialsManagement", "RootSessions"]
}

# Data sources -----------------------------------------------------------------------------------------------

data "aws_caller_identity" "own" {}
data "aws_caller_identity" "assumed" { provider = aws.assumed }
data "aws_caller_identity" "web" { provider = aws.web }
data "aws_partition" "own" {}
data "aws_iam_account_alias" "own" { depends_on = [aws_iam_account_alias.account] }
data "aws_iam_session_context" "assumed" { arn = data.aws_caller_identity.assumed.arn }
data "aws_iam_user" "alice" { user_name = aws_iam_user.alice.name }
data "aws_iam_users" "staff" {
  path_prefix = "/staff/"
  depends_on  = [aws_iam_user.alice]
}
data "aws_iam_access_keys" "alice" {
  user       = aws_iam_user.alice.name
  depends_on = [aws_iam_access_key.alice]
}
data "aws_iam_group" "staff" {
  group_name = aws_iam_group.staff.name
  depends_on = [aws_iam_user_group_membership.alice]
}
data "aws_iam_role" "host" { name = aws_iam_role.host.name }
data "aws_iam_roles" "hosts" {
  path_prefix = "/hosts/"
  depends_on  = [aws_iam_role.host]
}
data "aws_iam_policy" "read" { arn = aws_iam_policy.read.arn }
data "aws_iam_policy" "aws" { name = "AdministratorAccess" }
data "aws_iam_instance_profile" "host" { name = aws_iam_instance_profile.host.name }
data "aws_iam_instance_profiles" "host" {
  role_name  = aws_iam_role.host.name
  depends_on = [aws_iam_instance_profile.host]
}
data "aws_iam_openid_connect_provider" "ci" { arn = aws_iam_openid_connect_provider.ci.arn }
data "aws_iam_saml_provider" "corp" { arn = aws_iam_saml_provider.corp.arn }

data "aws_iam_principal_policy_simulation" "denied" {
  action_names      = ["iam:CreateUser"]
  policy_source_arn = aws_iam_role.host.arn
  depends_on        = [aws_iam_policy_attachment.everywhere]
}

data "aws_iam_principal_policy_simulation" "allowed" {
  action_names      = ["s3:GetObject"]
  policy_source_arn = aws_iam_user.alice.arn
  resource_arns     = ["arn:aws:s3:::data/x"]
  context {
    key    = "aws:PrincipalTag/team"
    type   = "string"
    values = ["blue"]
  }
  depends_on = [aws_iam_user_policy.alice]
}

output "own" { value = data.aws_caller_identity.own.arn }
output "assumed" { value = data.aws_caller_identity.assumed.arn }
output "web" { value = data.aws_caller_identity.web.arn }
output "issuer" { value = data.aws_iam_session_context.assumed.issuer_name }
output "allowed" { value = [data.aws_iam_principal_policy_simulation.allowed.all_allowed, data.aws_iam_principal_policy_simulation.denied.all_allowed] }
output "members" { value = [for each in data.aws_iam_group.staff.users : each.user_name] }
output "hosts" { value = data.aws_iam_roles.hosts.names }
output "description" { value = data.aws_iam_role.host.description }
output "seed" { value = length(aws_iam_virtual_mfa_device.phone.base_32_string_seed) }

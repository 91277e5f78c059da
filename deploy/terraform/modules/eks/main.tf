# EKS with ElastiCache and RDS in a network that exists. RDS offers no TimescaleDB: the ledger is partitioned natively there.
terraform {
  required_version = ">= 1.8"
  required_providers {
    aws    = { source = "hashicorp/aws", version = ">= 6.0, < 7.0" }
    random = { source = "hashicorp/random", version = ">= 3.6, < 4.0" }
  }
}

locals {
  cluster         = var.create_cluster ? aws_eks_cluster.this[0].name : var.cluster_name
  client_security = var.create_cluster ? aws_eks_cluster.this[0].vpc_config[0].cluster_security_group_id : var.client_security_group_id
}

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

# The account's own roles say who may use the key.
data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109:a key's policy speaks of this one key
  # checkov:skip=CKV_AWS_111:a key's policy speaks of this one key
  # checkov:skip=CKV_AWS_356:a key's policy speaks of this one key
  statement {
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"]
    }
  }
}

resource "aws_kms_key" "this" {
  description         = "${var.name}: secrets, counters and the ledger at rest"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
  tags                = var.tags
}

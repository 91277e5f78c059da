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

resource "aws_kms_key" "this" {
  description         = "${var.name}: secrets, counters and the ledger at rest"
  enable_key_rotation = true
  tags                = var.tags
}

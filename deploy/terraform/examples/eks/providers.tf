provider "aws" {}

data "aws_eks_cluster" "this" {
  name = module.cloud.cluster_name
}

data "aws_eks_cluster_auth" "this" {
  name = module.cloud.cluster_name
}

locals {
  kubernetes = {
    host                   = data.aws_eks_cluster.this.endpoint
    cluster_ca_certificate = base64decode(data.aws_eks_cluster.this.certificate_authority[0].data)
    token                  = data.aws_eks_cluster_auth.this.token
  }
}

provider "kubernetes" {
  host                   = local.kubernetes.host
  cluster_ca_certificate = local.kubernetes.cluster_ca_certificate
  token                  = local.kubernetes.token
}

provider "helm" {
  kubernetes = local.kubernetes
}

provider "vault" {
  address = var.vault_address
}

provider "azurerm" {
  features {}
}

data "azurerm_kubernetes_cluster" "this" {
  name                = module.cloud.cluster_name
  resource_group_name = var.resource_group_name
}

locals {
  kubernetes = {
    host                   = data.azurerm_kubernetes_cluster.this.kube_config[0].host
    cluster_ca_certificate = base64decode(data.azurerm_kubernetes_cluster.this.kube_config[0].cluster_ca_certificate)
    token                  = var.kubernetes_token
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

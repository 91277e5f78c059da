# The gateway in a cloud, from a network that exists to a release: see ../../README.md.
terraform {
  required_version = ">= 1.8"
  required_providers {
    azurerm    = { source = "hashicorp/azurerm", version = ">= 4.51, < 5.0" }
    helm       = { source = "hashicorp/helm", version = ">= 3.0, < 4.0" }
    kubernetes = { source = "hashicorp/kubernetes", version = ">= 2.35, < 4.0" }
    vault      = { source = "hashicorp/vault", version = ">= 4.0, < 6.0" }
  }
}

module "cloud" {
  source               = "../../modules/aks"
  name                 = var.name
  location             = var.location
  resource_group_name  = var.resource_group_name
  nodes_subnet_id      = var.subnets.nodes
  endpoints_subnet_id  = var.subnets.endpoints
  database_subnet_id   = var.subnets.database
  redis_dns_zone_id    = var.dns_zones.redis
  database_dns_zone_id = var.dns_zones.database
  create_cluster       = false
  cluster_name         = var.cluster_name
}

module "vault" {
  source  = "../../modules/vault"
  secrets = var.vault_secrets
}

module "release" {
  source        = "../../modules/release"
  policies      = file(var.policies_file)
  chart_version = var.chart_version
  database_url  = module.cloud.database_url
  redis         = module.cloud.redis
  vault         = { address = var.vault_address, role_id = module.vault.role_id, secret_id = module.vault.secret_id }
}

# The gateway in a cloud, from a network that exists to a release: see ../../README.md.
terraform {
  required_version = ">= 1.8"
  required_providers {
    google     = { source = "hashicorp/google", version = ">= 6.0, < 8.0" }
    helm       = { source = "hashicorp/helm", version = ">= 3.0, < 4.0" }
    kubernetes = { source = "hashicorp/kubernetes", version = ">= 2.35, < 4.0" }
    vault      = { source = "hashicorp/vault", version = ">= 4.0, < 6.0" }
  }
}

module "cloud" {
  source     = "../../modules/gke"
  project    = var.project
  region     = var.region
  network    = var.network
  subnetwork = var.subnetwork
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

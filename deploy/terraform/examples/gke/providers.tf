provider "google" {
  project = var.project
  region  = var.region
}

data "google_client_config" "this" {}

data "google_container_cluster" "this" {
  name     = module.cloud.cluster_name
  location = var.region
}

locals {
  kubernetes = {
    host                   = "https://${data.google_container_cluster.this.endpoint}"
    cluster_ca_certificate = base64decode(data.google_container_cluster.this.master_auth[0].cluster_ca_certificate)
    token                  = data.google_client_config.this.access_token
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

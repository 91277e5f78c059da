# The chart in a cluster, with its Secret. The clouds' modules give it addresses; it works with any Kubernetes.
terraform {
  required_version = ">= 1.8"
  required_providers {
    helm       = { source = "hashicorp/helm", version = ">= 3.0, < 4.0" }
    kubernetes = { source = "hashicorp/kubernetes", version = ">= 2.35, < 4.0" }
  }
}

module "values" {
  source   = "../values"
  secret   = kubernetes_secret_v1.sentinel.metadata[0].name
  policies = var.policies
  replicas = var.replicas
  redis    = { address = var.redis.address, tls = var.redis.tls, ca_config_map = var.redis.ca_pem == null ? null : kubernetes_config_map_v1.redis_ca[0].metadata[0].name }
  vault    = { address = var.vault.address }
}

resource "kubernetes_namespace_v1" "this" {
  count = var.create_namespace ? 1 : 0
  metadata { name = var.namespace }
}

resource "kubernetes_secret_v1" "sentinel" {
  metadata {
    name      = "${var.name}-environment"
    namespace = var.create_namespace ? kubernetes_namespace_v1.this[0].metadata[0].name : var.namespace
  }
  data = {
    SENTINEL_DATABASE_URL   = var.database_url
    SENTINEL_REDIS_PASSWORD = var.redis.password
    VAULT_ROLE_ID           = var.vault.role_id
    VAULT_SECRET_ID         = var.vault.secret_id
  }
}

resource "kubernetes_config_map_v1" "redis_ca" {
  count = var.redis.ca_pem == null ? 0 : 1
  metadata {
    name      = "${var.name}-redis-ca"
    namespace = kubernetes_secret_v1.sentinel.metadata[0].namespace
  }
  data = { "ca.crt" = var.redis.ca_pem }
}

resource "helm_release" "sentinel" {
  name       = var.name
  namespace  = kubernetes_secret_v1.sentinel.metadata[0].namespace
  repository = var.chart_repository
  chart      = var.chart
  version    = var.chart_version
  atomic     = true
  timeout    = 900
  values     = concat([yamlencode(module.values.values)], var.values)
}

# The chart in a cluster, with its Secret. The clouds' modules give it addresses; it works with any Kubernetes.
terraform {
  required_version = ">= 1.8"
  required_providers {
    helm       = { source = "hashicorp/helm", version = ">= 3.0, < 4.0" }
    kubernetes = { source = "hashicorp/kubernetes", version = ">= 2.35, < 4.0" }
  }
}

locals {
  redis_ca = var.redis.ca_pem == null ? [] : ["redis-ca"]
  ports = distinct(concat(
    [5432, try(tonumber(regex(":([0-9]+)", trimprefix(trimprefix(var.vault.address, "https://"), "http://"))[0]), 443)],
    [for address in var.redis.address : tonumber(element(split(":", address), 1))],
  ))
  values = {
    existingSecret = kubernetes_secret_v1.sentinel.metadata[0].name
    policies       = var.policies
    replicas       = var.replicas
    config = {
      redis = merge(
        { address = var.redis.address, tls = var.redis.tls },
        length(local.redis_ca) > 0 ? { ca_file = "/etc/sentinel/redis/ca.crt" } : {},
      )
      vault = { address = var.vault.address }
    }
    extraVolumes      = [for name in local.redis_ca : { name = name, configMap = { name = kubernetes_config_map_v1.redis_ca[0].metadata[0].name } }]
    extraVolumeMounts = [for name in local.redis_ca : { name = name, mountPath = "/etc/sentinel/redis", readOnly = true }]
    networkPolicy     = { enabled = true, dependencies = { ports = local.ports } }
  }
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
  count = length(local.redis_ca)
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
  values     = concat([yamlencode(local.values)], var.values)
}

# The chart's values for given addresses. It needs no provider, so that its tests run anywhere.
terraform {
  required_version = ">= 1.8"
}

locals {
  vault_host = regex("^https?://([^/]+)", var.vault.address)[0]
  vault_port = try(tonumber(regex(":([0-9]+)$", local.vault_host)[0]), startswith(var.vault.address, "https://") ? 443 : 80)
  redis_ca   = var.redis.ca_config_map == null ? [] : [var.redis.ca_config_map]
  values = {
    existingSecret = var.secret
    policies       = var.policies
    replicas       = var.replicas
    config = {
      redis = merge(
        { address = var.redis.address, tls = var.redis.tls },
        length(local.redis_ca) > 0 ? { ca_file = "/etc/sentinel/redis/ca.crt" } : {},
      )
      vault = { address = var.vault.address }
    }
    extraVolumes      = [for name in local.redis_ca : { name = "redis-ca", configMap = { name = name } }]
    extraVolumeMounts = [for name in local.redis_ca : { name = "redis-ca", mountPath = "/etc/sentinel/redis", readOnly = true }]
    networkPolicy = {
      enabled      = true
      dependencies = { ports = distinct(concat([5432, local.vault_port], [for address in var.redis.address : tonumber(regex(":([0-9]+)$", address)[0])])) }
    }
  }
}

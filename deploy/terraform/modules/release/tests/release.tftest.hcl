# No cluster is asked: the providers are mocks.
mock_provider "kubernetes" {}
mock_provider "helm" {}

variables {
  policies      = "org: acme"
  chart_version = "0.1.0"
  database_url  = "postgres://sentinel:password@postgres.example:5432/sentinel?sslmode=require"
  redis         = { address = ["redis.example:6379"], tls = true, password = "redis-password" }
  vault         = { address = "https://vault.example:8200", role_id = "role", secret_id = "secret" }
}

run "secrets_are_in_a_secret_and_not_in_the_release" {
  assert {
    condition = kubernetes_secret_v1.sentinel.data == tomap({
      SENTINEL_DATABASE_URL   = "postgres://sentinel:password@postgres.example:5432/sentinel?sslmode=require"
      SENTINEL_REDIS_PASSWORD = "redis-password"
      VAULT_ROLE_ID           = "role"
      VAULT_SECRET_ID         = "secret"
    })
    error_message = "the Secret lacks something, or has more"
  }
  assert {
    condition     = !strcontains(join("\n", helm_release.sentinel.values), "password") && yamldecode(helm_release.sentinel.values[0]).existingSecret == "sentinel-environment"
    error_message = "the release's values have a password, or another Secret"
  }
}

run "a_release_that_fails_is_taken_back_and_stands_in_its_namespace" {
  assert {
    condition     = helm_release.sentinel.atomic && helm_release.sentinel.namespace == "egress" && helm_release.sentinel.version == "0.1.0" && helm_release.sentinel.repository == "oci://ghcr.io/saas-sentinel/charts"
    error_message = "the release is another, elsewhere, or stays half done"
  }
  assert {
    condition     = kubernetes_namespace_v1.this[0].metadata[0].name == "egress" && output.gateway == "http://sentinel-saas-sentinel.egress.svc"
    error_message = "the gateway is said to be at ${output.gateway}"
  }
}

run "a_public_authority_needs_no_file" {
  assert {
    condition     = length(kubernetes_config_map_v1.redis_ca) == 0 && length(yamldecode(helm_release.sentinel.values[0]).extraVolumes) == 0
    error_message = "an authority is mounted"
  }
}

run "an_authority_of_ones_own_is_mounted" {
  variables {
    redis = { address = ["redis.example:6378"], tls = true, password = "redis-password", ca_pem = "-----BEGIN CERTIFICATE-----" }
  }
  assert {
    condition     = kubernetes_config_map_v1.redis_ca[0].data["ca.crt"] == "-----BEGIN CERTIFICATE-----" && yamldecode(helm_release.sentinel.values[0]).extraVolumes[0].configMap.name == "sentinel-redis-ca"
    error_message = "Redis is not trusted by the authority that signs for it"
  }
}

run "values_of_ones_own_win_and_a_namespace_that_exists_is_taken" {
  variables {
    create_namespace = false
    namespace        = "gateways"
    name             = "saas-sentinel-eu"
    values           = ["replicas: 5"]
  }
  assert {
    condition     = yamldecode(helm_release.sentinel.values[1]).replicas == 5 && length(helm_release.sentinel.values) == 2
    error_message = "the values of one's own do not come last"
  }
  assert {
    condition     = length(kubernetes_namespace_v1.this) == 0 && helm_release.sentinel.namespace == "gateways" && output.gateway == "http://saas-sentinel-eu.gateways.svc"
    error_message = "a namespace is made, or the gateway is said to be at ${output.gateway}"
  }
}

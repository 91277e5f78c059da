variables {
  secret   = "sentinel"
  policies = "org: acme"
  redis    = { address = ["redis-0.example:6380", "redis-1.example:6380"], tls = true, ca_config_map = "sentinel-redis-ca" }
  vault    = { address = "https://vault.example:8200" }
}

run "the_network_policy_opens_the_ports_of_the_dependencies" {
  assert {
    condition     = jsonencode(output.values.networkPolicy.dependencies.ports) == "[5432,8200,6380]"
    error_message = "${jsonencode(output.values.networkPolicy.dependencies.ports)}: want those of PostgreSQL, Vault and Redis, each once"
  }
}

run "redis_is_trusted_by_its_own_authority" {
  assert {
    condition     = output.values.config.redis.ca_file == "/etc/sentinel/redis/ca.crt" && output.values.extraVolumes[0].configMap.name == "sentinel-redis-ca" && output.values.extraVolumeMounts[0].mountPath == "/etc/sentinel/redis"
    error_message = "the authority is not mounted where redis.ca_file points"
  }
}

run "public_authorities_need_no_file" {
  variables {
    redis = { address = ["redis.example:6379"], tls = true }
    vault = { address = "https://vault.example" }
  }
  assert {
    condition     = !can(output.values.config.redis.ca_file) && length(output.values.extraVolumes) == 0 && contains(output.values.networkPolicy.dependencies.ports, 443)
    error_message = "an authority is mounted, or port 443 of Vault is closed"
  }
}

run "an_address_without_a_port_is_refused" {
  command = plan
  variables {
    redis = { address = ["redis.example"], tls = true }
  }
  expect_failures = [var.redis]
}

run "no_pods_are_refused" {
  command = plan
  variables {
    replicas = 0
  }
  expect_failures = [var.replicas]
}

run "vault_wants_a_url" {
  command = plan
  variables {
    vault = { address = "vault.example" }
  }
  expect_failures = [var.vault]
}

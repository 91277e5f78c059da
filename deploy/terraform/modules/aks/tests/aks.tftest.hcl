# No subscription is asked: the provider is a mock, and what it makes up has the form that other resources check. The ledger's database is never destroyed
# (prevent_destroy), a test's neither: the runs plan.
mock_provider "azurerm" {
  mock_resource "azurerm_managed_redis" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/egress/providers/Microsoft.Cache/redisEnterprise/gateway", hostname = "redis.example" }
  }
  mock_resource "azurerm_postgresql_flexible_server" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/egress/providers/Microsoft.DBforPostgreSQL/flexibleServers/gateway", fqdn = "postgres.example" }
  }
}
mock_provider "random" {
  mock_resource "random_password" {
    defaults = { result = "made-up-by-the-test-and-long-enough" }
  }
}

variables {
  name                 = "gateway"
  location             = "germanywestcentral"
  resource_group_name  = "egress"
  nodes_subnet_id      = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/egress/providers/Microsoft.Network/virtualNetworks/egress/subnets/nodes"
  endpoints_subnet_id  = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/egress/providers/Microsoft.Network/virtualNetworks/egress/subnets/endpoints"
  database_subnet_id   = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/egress/providers/Microsoft.Network/virtualNetworks/egress/subnets/database"
  redis_dns_zone_id    = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/egress/providers/Microsoft.Network/privateDnsZones/privatelink.redis.azure.net"
  database_dns_zone_id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/egress/providers/Microsoft.Network/privateDnsZones/gateway.private.postgres.database.azure.com"
}

run "redis_never_evicts_and_is_private" {
  command = plan
  assert {
    condition     = azurerm_managed_redis.this.default_database[0].eviction_policy == "NoEviction"
    error_message = "an evicted counter is a lost budget"
  }
  assert {
    condition     = azurerm_managed_redis.this.default_database[0].client_protocol == "Encrypted" && azurerm_managed_redis.this.public_network_access == "Disabled" && azurerm_managed_redis.this.high_availability_enabled
    error_message = "Redis is open on the way or to the world, or lost with a node"
  }
  assert {
    condition     = azurerm_private_endpoint.redis.subnet_id == var.endpoints_subnet_id && azurerm_private_endpoint.redis.private_dns_zone_group[0].private_dns_zone_ids == tolist([var.redis_dns_zone_id])
    error_message = "Redis has no endpoint in the network"
  }
}

run "the_ledger_is_private_and_kept" {
  command = plan
  assert {
    condition     = !azurerm_postgresql_flexible_server.this.public_network_access_enabled && azurerm_postgresql_flexible_server.this.delegated_subnet_id == var.database_subnet_id
    error_message = "PostgreSQL is open to the world"
  }
  assert {
    condition     = azurerm_postgresql_flexible_server.this.high_availability[0].mode == "ZoneRedundant" && azurerm_postgresql_flexible_server.this.geo_redundant_backup_enabled && azurerm_postgresql_flexible_server.this.backup_retention_days >= 14
    error_message = "PostgreSQL is lost with a zone, or its backups with a region"
  }
  assert {
    condition     = azurerm_postgresql_flexible_server.this.storage_mb == 128 * 1024 && azurerm_postgresql_flexible_server.this.auto_grow_enabled
    error_message = "the disk is not the one that was asked for, or full one day"
  }
  assert {
    condition     = length(azurerm_postgresql_flexible_server_configuration.timescaledb) == 0
    error_message = "TimescaleDB is allowed without being asked for"
  }
}

run "timescaledb_is_allowed_and_preloaded_where_it_is_asked_for" {
  command = plan
  variables {
    timescaledb = true
  }
  assert {
    condition     = azurerm_postgresql_flexible_server_configuration.timescaledb["azure.extensions"].value == "TIMESCALEDB" && strcontains(azurerm_postgresql_flexible_server_configuration.timescaledb["shared_preload_libraries"].value, "timescaledb")
    error_message = "the extension cannot be made"
  }
}

run "the_cluster_is_private_and_enforces_network_policies" {
  command = plan
  assert {
    condition     = azurerm_kubernetes_cluster.this[0].private_cluster_enabled && azurerm_kubernetes_cluster.this[0].local_account_disabled && length(azurerm_kubernetes_cluster.this[0].api_server_access_profile) == 0
    error_message = "the cluster's API is open to the world, or to accounts that Entra does not know"
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this[0].network_profile[0].network_policy == "cilium" && azurerm_kubernetes_cluster.this[0].network_profile[0].network_data_plane == "cilium"
    error_message = "nobody enforces the gateway's NetworkPolicy"
  }
  assert {
    condition     = azurerm_kubernetes_cluster.this[0].default_node_pool[0].min_count == 2 && azurerm_kubernetes_cluster.this[0].default_node_pool[0].max_count == 6 && length(azurerm_kubernetes_cluster.this[0].default_node_pool[0].zones) == 3
    error_message = "the nodes are not 2 to 6 in three zones"
  }
}

run "the_release_module_gets_what_it_takes" {
  command = plan
  assert {
    condition     = startswith(output.redis.address[0], "redis.example:") && output.redis.tls && output.redis.ca_pem == null
    error_message = "redis is ${jsonencode(nonsensitive(output.redis))}"
  }
  assert {
    condition     = output.database_url == "postgres://sentinel:made-up-by-the-test-and-long-enough@postgres.example:5432/sentinel?sslmode=verify-full"
    error_message = "database_url is ${nonsensitive(output.database_url)}"
  }
}

run "the_api_is_open_to_the_networks_that_are_named_and_no_others" {
  command = plan
  variables {
    api_cidrs = ["198.51.100.0/24"]
  }
  assert {
    condition     = !azurerm_kubernetes_cluster.this[0].private_cluster_enabled && azurerm_kubernetes_cluster.this[0].api_server_access_profile[0].authorized_ip_ranges == toset(["198.51.100.0/24"])
    error_message = "the API's networks are others"
  }
}

run "a_cluster_that_exists_is_taken_as_it_is" {
  command = plan
  variables {
    create_cluster = false
    cluster_name   = "shared"
  }
  assert {
    condition     = length(azurerm_kubernetes_cluster.this) == 0 && output.cluster_name == "shared"
    error_message = "something of a cluster is made"
  }
}

run "a_name_that_azure_refuses_is_refused" {
  command = plan
  variables {
    name = "gateway-"
  }
  expect_failures = [var.name]
}

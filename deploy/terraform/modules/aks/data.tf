resource "random_password" "database" {
  length  = 48
  special = false
}

# An evicted counter is a lost budget: sentinel refuses to start on any other policy.
resource "azurerm_managed_redis" "this" {
  name                      = var.name
  location                  = var.location
  resource_group_name       = var.resource_group_name
  sku_name                  = var.redis_sku
  high_availability_enabled = true
  public_network_access     = "Disabled"
  tags                      = var.tags

  default_database {
    access_keys_authentication_enabled = true
    client_protocol                    = "Encrypted"
    clustering_policy                  = "EnterpriseCluster"
    eviction_policy                    = "NoEviction"
  }
}

resource "azurerm_private_endpoint" "redis" {
  name                = "${var.name}-redis"
  location            = var.location
  resource_group_name = var.resource_group_name
  subnet_id           = var.endpoints_subnet_id
  tags                = var.tags

  private_service_connection {
    name                           = "${var.name}-redis"
    private_connection_resource_id = azurerm_managed_redis.this.id
    subresource_names              = ["redisEnterprise"]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "redis"
    private_dns_zone_ids = [var.redis_dns_zone_id]
  }
}

resource "azurerm_postgresql_flexible_server" "this" {
  # checkov:skip=CKV2_AZURE_57:the server stands in a subnet of the network (delegated_subnet_id), which excludes a private endpoint
  name                          = var.name
  location                      = var.location
  resource_group_name           = var.resource_group_name
  version                       = "16"
  sku_name                      = var.database_sku
  storage_mb                    = var.database_gb * 1024
  auto_grow_enabled             = true
  delegated_subnet_id           = var.database_subnet_id
  private_dns_zone_id           = var.database_dns_zone_id
  public_network_access_enabled = false
  administrator_login           = "sentinel"
  administrator_password        = random_password.database.result
  backup_retention_days         = 14
  geo_redundant_backup_enabled  = var.geo_redundant_backup
  tags                          = var.tags

  high_availability {
    mode = "ZoneRedundant"
  }

  lifecycle {
    ignore_changes = [zone, high_availability[0].standby_availability_zone] # a failover swaps them
  }
}

resource "azurerm_postgresql_flexible_server_database" "this" {
  name      = "sentinel"
  server_id = azurerm_postgresql_flexible_server.this.id
  charset   = "UTF8"
  collation = "en_US.utf8"

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_postgresql_flexible_server_configuration" "timescaledb" {
  for_each  = var.timescaledb ? { "azure.extensions" = "TIMESCALEDB", "shared_preload_libraries" = "pg_stat_statements,timescaledb" } : {}
  name      = each.key
  server_id = azurerm_postgresql_flexible_server.this.id
  value     = each.value
}

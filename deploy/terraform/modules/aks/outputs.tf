output "cluster_name" {
  description = "The cluster, for az aks get-credentials."
  value       = var.create_cluster ? azurerm_kubernetes_cluster.this[0].name : var.cluster_name
}

output "redis" {
  description = "For the release module. A public authority signs the certificate."
  sensitive   = true
  value = {
    address  = ["${azurerm_managed_redis.this.hostname}:${azurerm_managed_redis.this.default_database[0].port}"]
    tls      = true
    password = azurerm_managed_redis.this.default_database[0].primary_access_key
    ca_pem   = null
  }
}

output "database_url" {
  description = "SENTINEL_DATABASE_URL."
  sensitive   = true
  value       = "postgres://sentinel:${random_password.database.result}@${azurerm_postgresql_flexible_server.this.fqdn}:5432/${azurerm_postgresql_flexible_server_database.this.name}?sslmode=verify-full"
}

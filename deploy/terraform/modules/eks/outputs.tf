output "cluster_name" {
  description = "The cluster, for aws eks update-kubeconfig."
  value       = local.cluster
}

output "redis" {
  description = "For the release module. Amazon's public authority signs the certificate."
  sensitive   = true
  value = {
    address  = ["${aws_elasticache_replication_group.this.primary_endpoint_address}:6379"]
    tls      = true
    password = random_password.redis.result
    ca_pem   = null
  }
}

output "database_url" {
  description = "SENTINEL_DATABASE_URL."
  sensitive   = true
  value       = "postgres://sentinel:${random_password.database.result}@${aws_db_instance.this.endpoint}/sentinel?sslmode=require"
}

output "cluster_name" {
  description = "The cluster, for gcloud container clusters get-credentials."
  value       = var.create_cluster ? google_container_cluster.this[0].name : var.cluster_name
}

output "redis" {
  description = "For the release module. Memorystore signs its certificate itself."
  sensitive   = true
  value = {
    address  = ["${google_redis_instance.this.host}:${google_redis_instance.this.port}"]
    tls      = true
    password = google_redis_instance.this.auth_string
    ca_pem   = join("\n", google_redis_instance.this.server_ca_certs[*].cert)
  }
}

output "database_url" {
  description = "SENTINEL_DATABASE_URL."
  sensitive   = true
  value       = "postgres://sentinel:${random_password.database.result}@${google_sql_database_instance.this.private_ip_address}:5432/${google_sql_database.this.name}?sslmode=require"
}

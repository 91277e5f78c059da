resource "random_password" "database" {
  length  = 48
  special = false
}

# An evicted counter is a lost budget: sentinel refuses to start on any other policy.
resource "google_redis_instance" "this" {
  project                 = var.project
  name                    = var.name
  region                  = var.region
  tier                    = "STANDARD_HA"
  memory_size_gb          = var.redis_gb
  redis_version           = "REDIS_7_2"
  authorized_network      = var.network
  connect_mode            = "PRIVATE_SERVICE_ACCESS"
  auth_enabled            = true
  transit_encryption_mode = "SERVER_AUTHENTICATION"
  labels                  = var.labels

  redis_configs = {
    maxmemory-policy = "noeviction"
  }

  persistence_config {
    persistence_mode    = "RDB"
    rdb_snapshot_period = "ONE_HOUR"
  }
}

resource "google_sql_database_instance" "this" {
  # checkov:skip=CKV_GCP_6:ssl_mode ENCRYPTED_ONLY requires TLS; the check knows the older require_ssl only
  # checkov:skip=CKV_GCP_79:17 is the newest major version that the end-to-end tests run against here
  # checkov:skip=CKV_GCP_108:log_hostname makes every connection wait for a reverse look-up
  # checkov:skip=CKV_GCP_111:logged statements would put the ledger's rows into the log
  # checkov:skip=CKV2_GCP_13:Query Insights has the durations
  project             = var.project
  name                = var.name
  region              = var.region
  database_version    = "POSTGRES_17"
  deletion_protection = var.deletion_protection

  settings {
    edition                     = "ENTERPRISE"
    tier                        = var.database_tier
    availability_type           = "REGIONAL"
    disk_size                   = var.database_gb
    disk_autoresize             = true
    deletion_protection_enabled = var.deletion_protection
    user_labels                 = var.labels

    # What an auditor asks for, and no more.
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }

    ip_configuration {
      ipv4_enabled    = false
      private_network = var.network
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      backup_retention_settings {
        retained_backups = 14
      }
    }

    insights_config {
      query_insights_enabled = true
    }
  }
}

resource "google_sql_database" "this" {
  project  = var.project
  name     = "sentinel"
  instance = google_sql_database_instance.this.name
}

resource "google_sql_user" "this" {
  project  = var.project
  name     = "sentinel"
  instance = google_sql_database_instance.this.name
  password = random_password.database.result
}

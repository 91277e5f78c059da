# GKE with Memorystore and Cloud SQL in a network that exists. Cloud SQL offers no TimescaleDB: the ledger is partitioned natively there.
terraform {
  required_version = ">= 1.8"
  required_providers {
    google = { source = "hashicorp/google", version = ">= 6.0, < 8.0" }
    random = { source = "hashicorp/random", version = ">= 3.6, < 4.0" }
  }
}

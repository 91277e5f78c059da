# AKS with Azure Managed Redis and PostgreSQL Flexible Server in a network that exists. With timescaledb = true the server allows the extension;
# which of its features its build has is up to Azure, so the default is a ledger that is partitioned natively.
terraform {
  required_version = ">= 1.8"
  required_providers {
    azurerm = { source = "hashicorp/azurerm", version = ">= 4.51, < 5.0" }
    random  = { source = "hashicorp/random", version = ">= 3.6, < 4.0" }
  }
}

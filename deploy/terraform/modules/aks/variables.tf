variable "name" {
  description = "Name of everything that is made; unique in Azure, lower-case letters, digits and hyphens."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "3 to 40 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "location" {
  description = "Region of everything."
  type        = string
}

variable "resource_group_name" {
  description = "Resource group that exists."
  type        = string
}

variable "nodes_subnet_id" {
  description = "Subnet for nodes, with a way out to the providers."
  type        = string
  default     = null
}

variable "endpoints_subnet_id" {
  description = "Subnet for the private endpoint of Redis."
  type        = string
}

variable "database_subnet_id" {
  description = "Subnet that is delegated to Microsoft.DBforPostgreSQL/flexibleServers."
  type        = string
}

variable "redis_dns_zone_id" {
  description = "Private DNS zone privatelink.redis.azure.net, linked to the network."
  type        = string
}

variable "database_dns_zone_id" {
  description = "Private DNS zone that ends with .postgres.database.azure.com, linked to the network."
  type        = string
}

variable "create_cluster" {
  description = "Make a cluster; otherwise cluster_name names one of the same network."
  type        = bool
  default     = true
}

variable "cluster_name" {
  description = "Cluster that exists."
  type        = string
  default     = null
}

variable "kubernetes_version" {
  description = "Version of a cluster that is made."
  type        = string
  default     = "1.34"
}

variable "admin_group_ids" {
  description = "Entra groups that administer a cluster that is made."
  type        = list(string)
  default     = []
}

variable "api_cidrs" {
  description = "Networks that may reach the cluster's API from outside; empty for none."
  type        = list(string)
  default     = []
}

variable "node_type" {
  description = "Size of the nodes."
  type        = string
  default     = "Standard_D2s_v5"
}

variable "nodes" {
  description = "Fewest and most nodes."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 6 }
}

variable "zones" {
  description = "Zones of the nodes."
  type        = list(string)
  default     = ["1", "2", "3"]
}

variable "redis_sku" {
  description = "SKU of Azure Managed Redis."
  type        = string
  default     = "Balanced_B3"
}

variable "database_sku" {
  description = "SKU of the database."
  type        = string
  default     = "GP_Standard_D2ds_v5"
}

variable "database_gb" {
  description = "Disk of the database to begin with, as Azure offers it: 128, 256, 512 …; it grows by itself."
  type        = number
  default     = 128
}

variable "timescaledb" {
  description = "Allow the TimescaleDB extension. Set it before the first migration: the ledger stays what it was made as."
  type        = bool
  default     = false
}

variable "geo_redundant_backup" {
  description = "Keep backups in the paired region too, where the region has one."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}

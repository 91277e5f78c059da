variable "project" {
  description = "Project of everything."
  type        = string
}

variable "region" {
  description = "Region of everything."
  type        = string
}

variable "name" {
  description = "Name of everything that is made; lower-case letters, digits and hyphens."
  type        = string
  default     = "saas-sentinel"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "3 to 24 lower-case letters, digits and hyphens, a letter first: service accounts allow no more."
  }
}

variable "network" {
  description = "Id of a network that exists, with private services access for Memorystore and Cloud SQL."
  type        = string
}

variable "subnetwork" {
  description = "Subnetwork of it, with a way out to the providers (Cloud NAT)."
  type        = string
  default     = null
}

variable "pods_range" {
  description = "Secondary range of the subnetwork for pods."
  type        = string
  default     = null
}

variable "services_range" {
  description = "Secondary range of the subnetwork for services."
  type        = string
  default     = null
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

variable "api_cidrs" {
  description = "Networks that may reach the cluster's API from outside; empty for none."
  type        = list(string)
  default     = []
}

variable "node_type" {
  description = "Machine type of the nodes."
  type        = string
  default     = "n2-standard-2"
}

variable "nodes" {
  description = "Fewest and most nodes."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 6 }
}

variable "redis_gb" {
  description = "Memory of Redis."
  type        = number
  default     = 5
}

variable "database_tier" {
  description = "Tier of Cloud SQL."
  type        = string
  default     = "db-custom-2-8192"
}

variable "database_gb" {
  description = "Disk of the database to begin with; it grows by itself."
  type        = number
  default     = 100
}

variable "deletion_protection" {
  description = "Keep cluster and database from being destroyed."
  type        = bool
  default     = true
}

variable "labels" {
  description = "Labels of everything."
  type        = map(string)
  default     = {}
}

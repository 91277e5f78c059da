variable "name" {
  description = "Name of everything that is made; lower-case letters, digits and hyphens."
  type        = string
  default     = "saas-sentinel"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "2 to 31 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "vpc_id" {
  description = "Network that exists."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of it, in two zones or more, with a way out to the providers."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "Two subnets in two zones are the least that a failover needs."
  }
}

variable "create_cluster" {
  description = "Make a cluster; otherwise cluster_name and client_security_group_id name one that exists."
  type        = bool
  default     = true
}

variable "cluster_name" {
  description = "Cluster that exists."
  type        = string
  default     = null
}

variable "client_security_group_id" {
  description = "Security group of the nodes of a cluster that exists: it may reach Redis and PostgreSQL."
  type        = string
  default     = null
}

variable "kubernetes_version" {
  description = "Version of a cluster that is made."
  type        = string
  default     = "1.34"
}

variable "api_cidrs" {
  description = "Networks that may reach the cluster's API from outside; empty for none."
  type        = list(string)
  default     = []
}

variable "node_type" {
  description = "Instance type of the nodes."
  type        = string
  default     = "m7g.large"
}

variable "nodes" {
  description = "Fewest and most nodes."
  type        = object({ min = number, max = number })
  default     = { min = 2, max = 6 }
}

variable "redis_node_type" {
  description = "ElastiCache node type."
  type        = string
  default     = "cache.m7g.large"
}

variable "database_class" {
  description = "RDS instance class."
  type        = string
  default     = "db.m7g.large"
}

variable "database_gb" {
  description = "Disk of the database to begin with; it grows to ten times as much by itself."
  type        = number
  default     = 100
}

variable "deletion_protection" {
  description = "Keep the database from being destroyed."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}

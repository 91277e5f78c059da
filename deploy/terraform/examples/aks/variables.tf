variable "name" {
  description = "Name of everything, unique in Azure."
  type        = string
}

variable "location" {
  description = "Region of everything."
  type        = string
}

variable "resource_group_name" {
  description = "Resource group that exists."
  type        = string
}

variable "cluster_name" {
  description = "Cluster that exists."
  type        = string
}

variable "kubernetes_token" {
  description = "Token for the cluster's API, as kubelogin or az account get-access-token gives it."
  type        = string
  sensitive   = true
}

variable "subnets" {
  description = "Ids of the subnets for nodes, private endpoints and the database."
  type        = object({ nodes = string, endpoints = string, database = string })
}

variable "dns_zones" {
  description = "Ids of the private DNS zones of Redis and PostgreSQL."
  type        = object({ redis = string, database = string })
}

variable "vault_address" {
  description = "URL of Vault."
  type        = string
}

variable "vault_secrets" {
  description = "Paths of the providers' secrets, such as openai."
  type        = list(string)
}

variable "policies_file" {
  description = "policies.yaml."
  type        = string
}

variable "chart_version" {
  description = "Released version of the chart."
  type        = string
}

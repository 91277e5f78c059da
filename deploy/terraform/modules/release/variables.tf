variable "name" {
  description = "Name of the release."
  type        = string
  default     = "sentinel"
}

variable "namespace" {
  description = "Namespace of the release."
  type        = string
  default     = "egress"
}

variable "create_namespace" {
  description = "Make the namespace."
  type        = bool
  default     = true
}

variable "chart_repository" {
  description = "Where the chart is; null when chart is a path."
  type        = string
  default     = "oci://ghcr.io/saas-sentinel/charts"
}

variable "chart" {
  description = "Name of the chart in the repository, or a path such as charts/saas-sentinel."
  type        = string
  default     = "saas-sentinel"
}

variable "chart_version" {
  description = "Released version; null when chart is a path."
  type        = string
  default     = null
}

variable "replicas" {
  description = "Pods of the gateway."
  type        = number
  default     = 2
}

variable "policies" {
  description = "Text of policies.yaml."
  type        = string
}

variable "database_url" {
  description = "SENTINEL_DATABASE_URL."
  type        = string
  sensitive   = true
}

variable "redis" {
  description = "Where limits are counted, as the clouds' modules put it out. ca_pem is null where a public authority signs."
  type = object({
    address  = list(string)
    tls      = bool
    password = string
    ca_pem   = optional(string)
  })
}

variable "vault" {
  description = "Address of Vault and the AppRole that the vault module made."
  type = object({
    address   = string
    role_id   = string
    secret_id = string
  })
}

variable "values" {
  description = "More values for the chart, as YAML texts; later ones win."
  type        = list(string)
  default     = []
}

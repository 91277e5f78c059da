variable "secret" {
  description = "Name of the Secret with SENTINEL_DATABASE_URL and the logins."
  type        = string
}

variable "policies" {
  description = "Text of policies.yaml."
  type        = string
}

variable "replicas" {
  description = "Pods of the gateway."
  type        = number
  default     = 2
  validation {
    condition     = var.replicas >= 1
    error_message = "At least one pod is needed, and two to lose one."
  }
}

variable "redis" {
  description = "Where limits are counted; ca_config_map names the ConfigMap with the authority that signed its certificate."
  type = object({
    address       = list(string)
    tls           = bool
    ca_config_map = optional(string)
  })
  validation {
    condition     = length(var.redis.address) > 0 && alltrue([for address in var.redis.address : can(regex("^[^:/]+:[0-9]+$", address))])
    error_message = "Write each address as host:port."
  }
}

variable "vault" {
  description = "Where credentials are."
  type        = object({ address = string })
  validation {
    condition     = can(regex("^https?://[^/]+", var.vault.address))
    error_message = "Write a URL, such as https://vault.example:8200."
  }
}

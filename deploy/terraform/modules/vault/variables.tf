variable "name" {
  description = "Name of the policy and of the role."
  type        = string
  default     = "saas-sentinel"
}

variable "mount" {
  description = "Mount of the KV engine, version 2, that holds the providers' credentials."
  type        = string
  default     = "secret"
}

variable "secrets" {
  description = "Paths below the mount that policies.yaml names, such as openai; + and * as in Vault's policies."
  type        = list(string)
  validation {
    condition     = length(var.secrets) > 0 && !anytrue([for secret in var.secrets : can(regex("^[+*/]*$", secret))])
    error_message = "Name the secrets that the policy uses: the gateway must not read every secret of the mount."
  }
}

variable "rotate" {
  description = "Let sentinel keys rotate write new keys."
  type        = bool
  default     = false
}

variable "approle_mount" {
  description = "Mount of the AppRole login; vault.login.mount in sentinel.yaml when it is not approle."
  type        = string
  default     = "approle"
}

variable "create_approle_mount" {
  description = "Make the mount of the AppRole login."
  type        = bool
  default     = false
}

variable "bound_cidrs" {
  description = "Networks from which the login and its tokens are good; empty for any."
  type        = list(string)
  default     = []
}

variable "kubernetes_role" {
  description = "Make a role of the Kubernetes auth method too, for the chart's vault.role. The method itself is configured by whoever runs the cluster."
  type        = bool
  default     = false
}

variable "kubernetes_mount" {
  description = "Mount of the Kubernetes auth method; vault.mount of the chart."
  type        = string
  default     = "kubernetes"
}

variable "kubernetes_audience" {
  description = "Audience of the pods' tokens; vault.audience of the chart."
  type        = string
  default     = "vault"
}

variable "service_account" {
  description = "Who may log in: the chart's service account."
  type        = object({ name = string, namespace = string })
  default     = { name = "sentinel-saas-sentinel", namespace = "egress" }
}

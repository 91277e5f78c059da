variable "vpc_id" {
  description = "Network that exists."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of it, in two zones or more."
  type        = list(string)
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

variable "project" {
  description = "Project of everything."
  type        = string
}

variable "region" {
  description = "Region of everything."
  type        = string
}

variable "network" {
  description = "Id of a network that exists."
  type        = string
}

variable "subnetwork" {
  description = "Subnetwork of it."
  type        = string
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

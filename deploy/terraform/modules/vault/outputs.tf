output "role_id" {
  description = "VAULT_ROLE_ID."
  value       = vault_approle_auth_backend_role.gateway.role_id
}

output "secret_id" {
  description = "VAULT_SECRET_ID."
  value       = vault_approle_auth_backend_role_secret_id.gateway.secret_id
  sensitive   = true
}

output "kubernetes_role" {
  description = "vault.role of the chart; null without kubernetes_role."
  value       = one(vault_kubernetes_auth_backend_role.gateway[*].role_name)
}

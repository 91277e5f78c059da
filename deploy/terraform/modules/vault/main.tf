# What Vault (or OpenBao) has to know of the gateway: a policy for the providers' secrets, and an AppRole to log in with. It needs no
# cloud: whoever runs Vault applies it.
terraform {
  required_version = ">= 1.8"
  required_providers {
    vault = { source = "hashicorp/vault", version = ">= 4.0, < 6.0" }
  }
}

resource "vault_policy" "gateway" {
  name   = var.name
  policy = data.vault_policy_document.gateway.hcl
}

data "vault_policy_document" "gateway" {
  dynamic "rule" {
    for_each = var.secrets
    content {
      path         = "${var.mount}/data/${rule.value}"
      capabilities = var.rotate ? ["read", "create", "update", "patch"] : ["read"]
      description  = "credentials of providers"
    }
  }
}

resource "vault_auth_backend" "approle" {
  count = var.create_approle_mount ? 1 : 0
  type  = "approle"
  path  = var.approle_mount
}

resource "vault_approle_auth_backend_role" "gateway" {
  backend               = var.create_approle_mount ? vault_auth_backend.approle[0].path : var.approle_mount
  role_name             = var.name
  token_policies        = [vault_policy.gateway.name]
  token_ttl             = 3600
  token_max_ttl         = 86400
  token_bound_cidrs     = var.bound_cidrs
  secret_id_bound_cidrs = var.bound_cidrs
}

resource "vault_approle_auth_backend_role_secret_id" "gateway" {
  backend   = vault_approle_auth_backend_role.gateway.backend
  role_name = vault_approle_auth_backend_role.gateway.role_name
}

# With Vault's Kubernetes auth method the pods log in by their service account, and no secret of Vault's is kept in the cluster.
resource "vault_kubernetes_auth_backend_role" "gateway" {
  count                            = var.kubernetes_role ? 1 : 0
  backend                          = var.kubernetes_mount
  role_name                        = var.name
  bound_service_account_names      = [var.service_account.name]
  bound_service_account_namespaces = [var.service_account.namespace]
  audience                         = var.kubernetes_audience
  token_policies                   = [vault_policy.gateway.name]
  token_ttl                        = 3600
  token_max_ttl                    = 86400
  token_bound_cidrs                = var.bound_cidrs
}

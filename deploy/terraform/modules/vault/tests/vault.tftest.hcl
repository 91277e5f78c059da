# No Vault is asked: the provider is a mock.
mock_provider "vault" {
  mock_resource "vault_approle_auth_backend_role" {
    defaults = { role_id = "role-of-the-test" }
  }
  mock_resource "vault_approle_auth_backend_role_secret_id" {
    defaults = { secret_id = "secret-of-the-test" }
  }
}

variables {
  secrets = ["openai", "callers/+"]
}

run "the_gateway_reads_the_secrets_that_are_named_and_writes_none" {
  assert {
    condition     = [for rule in data.vault_policy_document.gateway.rule : rule.path] == ["secret/data/openai", "secret/data/callers/+"]
    error_message = "the policy is about ${jsonencode([for rule in data.vault_policy_document.gateway.rule : rule.path])}"
  }
  assert {
    condition     = alltrue([for rule in data.vault_policy_document.gateway.rule : rule.capabilities == tolist(["read"])])
    error_message = "the gateway may do more than read"
  }
}

run "rotation_may_write_and_neither_delete_nor_list" {
  variables {
    rotate = true
  }
  assert {
    condition     = alltrue([for rule in data.vault_policy_document.gateway.rule : rule.capabilities == tolist(["read", "create", "update", "patch"])])
    error_message = "rotation cannot write, or may delete or list"
  }
}

run "the_login_has_this_policy_alone_and_ends" {
  variables {
    bound_cidrs = ["10.0.0.0/16"]
  }
  assert {
    condition     = vault_approle_auth_backend_role.gateway.token_policies == toset([vault_policy.gateway.name]) && vault_approle_auth_backend_role.gateway.token_ttl == 3600 && vault_approle_auth_backend_role.gateway.token_max_ttl == 86400
    error_message = "the login has other policies, or tokens that do not end"
  }
  assert {
    condition     = vault_approle_auth_backend_role.gateway.token_bound_cidrs == toset(["10.0.0.0/16"]) && vault_approle_auth_backend_role.gateway.secret_id_bound_cidrs == toset(["10.0.0.0/16"])
    error_message = "the login is good from other networks"
  }
  assert {
    condition     = output.role_id == "role-of-the-test" && output.secret_id == "secret-of-the-test" && output.kubernetes_role == null && length(vault_auth_backend.approle) == 0
    error_message = "the outputs are not the login's, or something is made that was not asked for"
  }
}

run "pods_log_in_by_one_service_account" {
  variables {
    kubernetes_role      = true
    create_approle_mount = true
    approle_mount        = "gateways"
    bound_cidrs          = ["10.0.0.0/16"]
  }
  assert {
    condition     = vault_kubernetes_auth_backend_role.gateway[0].bound_service_account_names == toset(["sentinel-saas-sentinel"]) && vault_kubernetes_auth_backend_role.gateway[0].bound_service_account_namespaces == toset(["egress"]) && vault_kubernetes_auth_backend_role.gateway[0].audience == "vault" && vault_kubernetes_auth_backend_role.gateway[0].token_bound_cidrs == toset(["10.0.0.0/16"])
    error_message = "others than the chart's account log in, with tokens for others, or from other networks"
  }
  assert {
    condition     = output.kubernetes_role == "saas-sentinel" && vault_auth_backend.approle[0].path == "gateways" && vault_approle_auth_backend_role.gateway.backend == "gateways"
    error_message = "the mount or the role has another name"
  }
}

run "every_secret_of_the_mount_is_refused" {
  command = plan
  variables {
    secrets = ["openai", "*"]
  }
  expect_failures = [var.secrets]
}

run "every_secret_of_a_level_is_refused" {
  command = plan
  variables {
    secrets = ["+/+"]
  }
  expect_failures = [var.secrets]
}

run "no_secret_is_refused" {
  command = plan
  variables {
    secrets = []
  }
  expect_failures = [var.secrets]
}

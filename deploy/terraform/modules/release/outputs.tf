output "gateway" {
  description = "Base URL of the gateway inside the cluster; a provider's name follows."
  value       = "http://${strcontains(var.name, "saas-sentinel") ? var.name : "${var.name}-saas-sentinel"}.${helm_release.sentinel.namespace}.svc"
}

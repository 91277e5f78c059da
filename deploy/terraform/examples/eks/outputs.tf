output "gateway" {
  description = "Base URL of the gateway inside the cluster."
  value       = module.release.gateway
}

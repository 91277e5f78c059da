output "values" {
  description = "Values of the chart."
  value       = local.values
}

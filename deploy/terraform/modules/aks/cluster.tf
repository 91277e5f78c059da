resource "azurerm_kubernetes_cluster" "this" {
  count                             = var.create_cluster ? 1 : 0
  name                              = var.name
  location                          = var.location
  resource_group_name               = var.resource_group_name
  dns_prefix                        = var.name
  kubernetes_version                = var.kubernetes_version
  automatic_upgrade_channel         = "patch"
  private_cluster_enabled           = length(var.api_cidrs) == 0
  local_account_disabled            = true
  role_based_access_control_enabled = true
  azure_policy_enabled              = true
  oidc_issuer_enabled               = true
  workload_identity_enabled         = true
  sku_tier                          = "Standard"
  tags                              = var.tags

  default_node_pool {
    name                         = "gateway"
    vm_size                      = var.node_type
    vnet_subnet_id               = var.nodes_subnet_id
    auto_scaling_enabled         = true
    min_count                    = var.nodes.min
    max_count                    = var.nodes.max
    zones                        = var.zones
    os_disk_type                 = "Managed"
    temporary_name_for_rotation  = "rotation"
    only_critical_addons_enabled = false
  }

  identity {
    type = "SystemAssigned"
  }

  azure_active_directory_role_based_access_control {
    azure_rbac_enabled     = true
    admin_group_object_ids = var.admin_group_ids
  }

  dynamic "api_server_access_profile" {
    for_each = length(var.api_cidrs) > 0 ? [var.api_cidrs] : []
    content {
      authorized_ip_ranges = api_server_access_profile.value
    }
  }

  network_profile {
    network_plugin      = "azure"
    network_plugin_mode = "overlay"
    network_policy      = "cilium"
    network_data_plane  = "cilium"
  }
}

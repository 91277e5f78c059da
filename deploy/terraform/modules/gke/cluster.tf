resource "google_service_account" "nodes" {
  count        = var.create_cluster ? 1 : 0
  project      = var.project
  account_id   = "${var.name}-nodes"
  display_name = "Nodes of ${var.name}"
}

resource "google_project_iam_member" "nodes" {
  count   = var.create_cluster ? 1 : 0
  project = var.project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes[0].member
}

resource "google_container_cluster" "this" {
  # checkov:skip=CKV_GCP_12:ADVANCED_DATAPATH enforces NetworkPolicies by itself; the network_policy block is for clusters without it
  # checkov:skip=CKV_GCP_69:the default pool is removed, and the pool below sets GKE_METADATA
  # checkov:skip=CKV_GCP_21:labels are the caller's, in var.labels
  # checkov:skip=CKV_GCP_65:needs a Google Workspace group, which not every organisation has
  count                    = var.create_cluster ? 1 : 0
  project                  = var.project
  name                     = var.name
  location                 = var.region
  network                  = var.network
  subnetwork               = var.subnetwork
  remove_default_node_pool = true
  initial_node_count       = 1
  datapath_provider        = "ADVANCED_DATAPATH" # enforces NetworkPolicies
  enable_shielded_nodes    = true

  enable_intranode_visibility = true
  deletion_protection         = var.deletion_protection
  resource_labels             = var.labels

  binary_authorization {
    evaluation_mode = "PROJECT_SINGLETON_POLICY_ENFORCE"
  }

  release_channel {
    channel = "REGULAR"
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = var.pods_range
    services_secondary_range_name = var.services_range
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = length(var.api_cidrs) == 0
  }

  master_authorized_networks_config {
    dynamic "cidr_blocks" {
      for_each = var.api_cidrs
      content {
        cidr_block = cidr_blocks.value
      }
    }
  }

  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }
}

resource "google_container_node_pool" "this" {
  count    = var.create_cluster ? 1 : 0
  project  = var.project
  name     = "gateway"
  cluster  = google_container_cluster.this[0].name
  location = var.region

  autoscaling {
    total_min_node_count = var.nodes.min
    total_max_node_count = var.nodes.max
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  node_config {
    machine_type    = var.node_type
    image_type      = "COS_CONTAINERD"
    service_account = google_service_account.nodes[0].email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    labels          = var.labels

    metadata = {
      disable-legacy-endpoints = "true"
    }

    # Pods see workload identity's metadata, not the node's.
    workload_metadata_config {
      mode = "GKE_METADATA"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }
}

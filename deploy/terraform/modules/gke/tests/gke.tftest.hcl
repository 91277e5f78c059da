# No project is asked: the provider is a mock, and what it makes up has the form that other resources check.
mock_provider "google" {
  mock_resource "google_service_account" {
    defaults = { email = "gateway-nodes@example.iam.gserviceaccount.com", member = "serviceAccount:gateway-nodes@example.iam.gserviceaccount.com" }
  }
  mock_resource "google_redis_instance" {
    defaults = { host = "10.0.0.3", port = 6378, auth_string = "made-up-by-google", server_ca_certs = [{ cert = "-----BEGIN CERTIFICATE-----", create_time = "", expire_time = "", serial_number = "", sha1_fingerprint = "" }] }
  }
  mock_resource "google_sql_database_instance" {
    defaults = { private_ip_address = "10.0.0.4" }
  }
}
mock_provider "random" {
  mock_resource "random_password" {
    defaults = { result = "made-up-by-the-test-and-long-enough" }
  }
}

variables {
  project = "example"
  region  = "europe-west3"
  network = "projects/example/global/networks/egress"
}

run "redis_never_evicts_and_outlives_a_zone" {
  assert {
    condition     = google_redis_instance.this.redis_configs["maxmemory-policy"] == "noeviction"
    error_message = "an evicted counter is a lost budget"
  }
  assert {
    condition     = google_redis_instance.this.tier == "STANDARD_HA"
    error_message = "Redis is lost with a zone"
  }
}

run "what_is_kept_is_encrypted_on_the_way_and_private" {
  assert {
    condition     = google_redis_instance.this.transit_encryption_mode == "SERVER_AUTHENTICATION" && google_redis_instance.this.auth_enabled && google_redis_instance.this.connect_mode == "PRIVATE_SERVICE_ACCESS" && google_redis_instance.this.authorized_network == var.network
    error_message = "Redis is open on the way, to anybody, or in another network"
  }
  assert {
    condition     = !google_sql_database_instance.this.settings[0].ip_configuration[0].ipv4_enabled && google_sql_database_instance.this.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY" && google_sql_database_instance.this.settings[0].ip_configuration[0].private_network == var.network
    error_message = "PostgreSQL has a public address, takes connections without TLS, or is in another network"
  }
  assert {
    condition     = google_sql_database_instance.this.settings[0].availability_type == "REGIONAL" && google_sql_database_instance.this.settings[0].backup_configuration[0].point_in_time_recovery_enabled
    error_message = "PostgreSQL is lost with a zone, or cannot go back to a moment"
  }
  assert {
    condition     = google_sql_database_instance.this.deletion_protection && google_sql_database_instance.this.settings[0].deletion_protection_enabled && google_container_cluster.this[0].deletion_protection
    error_message = "the ledger or the cluster can be destroyed by accident"
  }
}

run "the_cluster_is_private_and_its_nodes_keep_their_credentials" {
  assert {
    condition     = google_container_cluster.this[0].private_cluster_config[0].enable_private_nodes && google_container_cluster.this[0].private_cluster_config[0].enable_private_endpoint && length(google_container_cluster.this[0].master_authorized_networks_config[0].cidr_blocks) == 0
    error_message = "the cluster is open to the world"
  }
  assert {
    condition     = google_container_node_pool.this[0].node_config[0].workload_metadata_config[0].mode == "GKE_METADATA" && google_container_node_pool.this[0].node_config[0].service_account == google_service_account.nodes[0].email
    error_message = "pods reach the node's credentials, or the node has the project's default account"
  }
  assert {
    condition     = google_container_cluster.this[0].datapath_provider == "ADVANCED_DATAPATH"
    error_message = "nobody enforces the gateway's NetworkPolicy"
  }
  assert {
    condition     = google_project_iam_member.nodes[0].role == "roles/container.defaultNodeServiceAccount"
    error_message = "the nodes may do more than run"
  }
}

run "the_release_module_gets_what_it_takes" {
  assert {
    condition     = output.redis.address == ["10.0.0.3:6378"] && output.redis.tls && output.redis.password == "made-up-by-google" && startswith(output.redis.ca_pem, "-----BEGIN CERTIFICATE-----")
    error_message = "redis is ${jsonencode(nonsensitive(output.redis))}"
  }
  assert {
    condition     = output.database_url == "postgres://sentinel:made-up-by-the-test-and-long-enough@10.0.0.4:5432/sentinel?sslmode=require"
    error_message = "database_url is ${nonsensitive(output.database_url)}"
  }
}

run "the_api_is_open_to_the_networks_that_are_named_and_no_others" {
  variables {
    api_cidrs = ["198.51.100.0/24"]
  }
  assert {
    condition     = !google_container_cluster.this[0].private_cluster_config[0].enable_private_endpoint && [for block in google_container_cluster.this[0].master_authorized_networks_config[0].cidr_blocks : block.cidr_block] == ["198.51.100.0/24"]
    error_message = "the API's networks are others"
  }
}

run "a_cluster_that_exists_is_taken_as_it_is" {
  variables {
    create_cluster = false
    cluster_name   = "shared"
  }
  assert {
    condition     = length(google_container_cluster.this) + length(google_container_node_pool.this) + length(google_service_account.nodes) + length(google_project_iam_member.nodes) == 0 && output.cluster_name == "shared"
    error_message = "something of a cluster is made"
  }
}

run "a_name_that_google_refuses_is_refused" {
  command = plan
  variables {
    name = "a-name-that-is-longer-than-accounts-allow"
  }
  expect_failures = [var.name]
}

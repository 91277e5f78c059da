# No account is asked: the provider is a mock, and what it makes up has the form that other resources check.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-0123456789abcdef0", latest_version = 1 }
  }
  mock_resource "aws_elasticache_replication_group" {
    defaults = { primary_endpoint_address = "redis.example" }
  }
  mock_resource "aws_db_instance" {
    defaults = { endpoint = "postgres.example:5432" }
  }
}
mock_provider "random" {
  mock_resource "random_password" {
    defaults = { result = "made-up-by-the-test-and-long-enough" }
  }
}

variables {
  vpc_id     = "vpc-0123456789abcdef0"
  subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  tags       = { owner = "egress" }
}

run "redis_never_evicts_and_outlives_a_zone" {
  assert {
    condition     = one([for p in aws_elasticache_parameter_group.this.parameter : p.value if p.name == "maxmemory-policy"]) == "noeviction"
    error_message = "an evicted counter is a lost budget"
  }
  assert {
    condition     = aws_elasticache_replication_group.this.multi_az_enabled && aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.num_cache_clusters == 2
    error_message = "Redis is lost with a zone"
  }
}

run "what_is_kept_is_encrypted_and_private" {
  assert {
    condition     = aws_elasticache_replication_group.this.at_rest_encryption_enabled == "true" && aws_elasticache_replication_group.this.transit_encryption_enabled && aws_elasticache_replication_group.this.kms_key_id == aws_kms_key.this.arn
    error_message = "Redis is readable at rest or on the way"
  }
  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == aws_kms_key.this.arn && !aws_db_instance.this.publicly_accessible && aws_db_instance.this.multi_az
    error_message = "PostgreSQL is readable at rest, reachable from outside or lost with a zone"
  }
  assert {
    condition     = one([for p in aws_db_parameter_group.this.parameter : p.value if p.name == "rds.force_ssl"]) == "1"
    error_message = "PostgreSQL takes connections without TLS"
  }
  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.backup_retention_period >= 14
    error_message = "the ledger can be destroyed by accident"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.data : rule.referenced_security_group_id == aws_eks_cluster.this[0].vpc_config[0].cluster_security_group_id && rule.from_port == rule.to_port]) && sort([for rule in aws_vpc_security_group_ingress_rule.data : tostring(rule.from_port)]) == sort(["5432", "6379"])
    error_message = "others than the cluster reach the data, or by other ports"
  }
}

run "the_cluster_is_private_and_its_nodes_keep_their_credentials" {
  assert {
    condition     = aws_eks_cluster.this[0].vpc_config[0].endpoint_private_access && !aws_eks_cluster.this[0].vpc_config[0].endpoint_public_access
    error_message = "the cluster's API is open to the world"
  }
  assert {
    condition     = aws_launch_template.nodes[0].metadata_options[0].http_tokens == "required" && aws_launch_template.nodes[0].metadata_options[0].http_put_response_hop_limit == 1
    error_message = "pods reach the node's credentials"
  }
  assert {
    condition     = jsondecode(aws_eks_addon.this["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "nobody enforces the gateway's NetworkPolicy"
  }
  assert {
    condition     = aws_eks_node_group.this[0].scaling_config[0].min_size == 2 && aws_eks_node_group.this[0].scaling_config[0].max_size == 6
    error_message = "the nodes are not 2 to 6"
  }
}

run "the_release_module_gets_what_it_takes" {
  assert {
    condition     = output.redis.address == ["redis.example:6379"] && output.redis.tls && output.redis.password == random_password.redis.result && output.redis.ca_pem == null
    error_message = "redis is ${jsonencode(nonsensitive(output.redis))}"
  }
  assert {
    condition     = output.database_url == "postgres://sentinel:made-up-by-the-test-and-long-enough@postgres.example:5432/sentinel?sslmode=require"
    error_message = "database_url is ${nonsensitive(output.database_url)}"
  }
  assert {
    condition     = output.cluster_name == "saas-sentinel"
    error_message = "cluster_name is ${output.cluster_name}"
  }
}

run "the_api_is_open_to_the_networks_that_are_named_and_no_others" {
  variables {
    api_cidrs = ["198.51.100.0/24"]
  }
  assert {
    condition     = aws_eks_cluster.this[0].vpc_config[0].endpoint_public_access && aws_eks_cluster.this[0].vpc_config[0].public_access_cidrs == toset(["198.51.100.0/24"])
    error_message = "the API's networks are ${jsonencode(aws_eks_cluster.this[0].vpc_config[0].public_access_cidrs)}"
  }
}

run "a_cluster_that_exists_is_taken_as_it_is" {
  variables {
    create_cluster           = false
    cluster_name             = "shared"
    client_security_group_id = "sg-0123456789abcdef0"
  }
  assert {
    condition     = length(aws_eks_cluster.this) + length(aws_eks_node_group.this) + length(aws_eks_addon.this) + length(aws_iam_role.nodes) + length(aws_iam_role_policy_attachment.nodes) == 0
    error_message = "something of a cluster is made"
  }
  assert {
    condition     = output.cluster_name == "shared" && alltrue([for rule in aws_vpc_security_group_ingress_rule.data : rule.referenced_security_group_id == "sg-0123456789abcdef0"])
    error_message = "the data is not opened to the nodes of the cluster that exists"
  }
}

run "one_zone_is_refused" {
  command = plan
  variables {
    subnet_ids = ["subnet-0123456789abcdef0"]
  }
  expect_failures = [var.subnet_ids]
}

run "a_name_that_aws_refuses_is_refused" {
  command = plan
  variables {
    name = "Gateway_1"
  }
  expect_failures = [var.name]
}

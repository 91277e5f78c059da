resource "aws_iam_role" "cluster" {
  count              = var.create_cluster ? 1 : 0
  name_prefix        = "${var.name}-cluster-"
  assume_role_policy = data.aws_iam_policy_document.assume["eks"].json
  tags               = var.tags
}

resource "aws_iam_role" "nodes" {
  count              = var.create_cluster ? 1 : 0
  name_prefix        = "${var.name}-nodes-"
  assume_role_policy = data.aws_iam_policy_document.assume["ec2"].json
  tags               = var.tags
}

data "aws_iam_policy_document" "assume" {
  for_each = toset(["eks", "ec2", "pods.eks"])
  statement {
    actions = each.key == "pods.eks" ? ["sts:AssumeRole", "sts:TagSession"] : ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["${each.key}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy_attachment" "cluster" {
  count      = var.create_cluster ? 1 : 0
  role       = aws_iam_role.cluster[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonEKSClusterPolicy"
}

resource "aws_iam_role_policy_attachment" "nodes" {
  for_each   = toset(var.create_cluster ? ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"] : [])
  role       = aws_iam_role.nodes[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/${each.key}"
}

resource "aws_eks_cluster" "this" {
  count                     = var.create_cluster ? 1 : 0
  name                      = var.name
  role_arn                  = aws_iam_role.cluster[0].arn
  version                   = var.kubernetes_version
  enabled_cluster_log_types = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
  tags                      = var.tags

  vpc_config {
    subnet_ids              = var.subnet_ids
    endpoint_private_access = true
    endpoint_public_access  = length(var.api_cidrs) > 0
    public_access_cidrs     = length(var.api_cidrs) > 0 ? var.api_cidrs : null
  }

  encryption_config {
    provider { key_arn = aws_kms_key.this.arn }
    resources = ["secrets"]
  }

  access_config {
    authentication_mode                         = "API"
    bootstrap_cluster_creator_admin_permissions = true
  }

  depends_on = [aws_iam_role_policy_attachment.cluster]
}

# The spools' disks are EBS volumes, whose driver has a role of its own, and NetworkPolicies are enforced by the VPC's network plugin.
resource "aws_eks_addon" "this" {
  for_each = var.create_cluster ? {
    eks-pod-identity-agent = jsonencode({})
    vpc-cni                = jsonencode({ enableNetworkPolicy = "true" })
    aws-ebs-csi-driver     = jsonencode({ defaultStorageClass = { enabled = true } })
  } : {}
  cluster_name         = aws_eks_cluster.this[0].name
  addon_name           = each.key
  configuration_values = each.value
  tags                 = var.tags

  dynamic "pod_identity_association" {
    for_each = each.key == "aws-ebs-csi-driver" ? [aws_iam_role.disks[0].arn] : []
    content {
      role_arn        = pod_identity_association.value
      service_account = "ebs-csi-controller-sa"
    }
  }
}

resource "aws_iam_role" "disks" {
  count              = var.create_cluster ? 1 : 0
  name_prefix        = "${var.name}-disks-"
  assume_role_policy = data.aws_iam_policy_document.assume["pods.eks"].json
  tags               = var.tags
}

resource "aws_iam_role_policy_attachment" "disks" {
  count      = var.create_cluster ? 1 : 0
  role       = aws_iam_role.disks[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
}

resource "aws_launch_template" "nodes" {
  count       = var.create_cluster ? 1 : 0
  name_prefix = "${var.name}-"
  tags        = var.tags

  # Pods reach no instance credentials: one hop ends at the node.
  metadata_options {
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size = 50
      volume_type = "gp3"
      encrypted   = true
    }
  }
}

resource "aws_eks_node_group" "this" {
  count           = var.create_cluster ? 1 : 0
  cluster_name    = aws_eks_cluster.this[0].name
  node_group_name = "gateway"
  node_role_arn   = aws_iam_role.nodes[0].arn
  subnet_ids      = var.subnet_ids
  instance_types  = [var.node_type]
  tags            = var.tags

  launch_template {
    id      = aws_launch_template.nodes[0].id
    version = aws_launch_template.nodes[0].latest_version
  }

  scaling_config {
    min_size     = var.nodes.min
    max_size     = var.nodes.max
    desired_size = var.nodes.min
  }

  lifecycle {
    ignore_changes = [scaling_config[0].desired_size]
  }

  depends_on = [aws_iam_role_policy_attachment.nodes]
}

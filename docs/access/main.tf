# Lets an auditor account read what Infra Audit reads in a project, and nothing else.

terraform {
  required_version = ">= 1.3"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.0"
    }
  }
}

variable "audited_project" {
  description = "Project id whose logs and resources are read."
  type        = string
}

variable "home_project" {
  description = "Project id that the auditor account lives in; its calls are charged there."
  type        = string
}

variable "server_account" {
  description = "Address of the account that the server runs as; it may act as the auditor. Empty: nobody may."
  type        = string
  default     = ""
}

locals {
  roles = [
    "roles/logging.viewer",
    "roles/run.viewer",
    "roles/cloudsql.viewer",
    "roles/vpcaccess.viewer",
    "roles/container.clusterViewer",
    "roles/redis.viewer",
    "roles/secretmanager.viewer",
    "roles/monitoring.viewer",
    "roles/errorreporting.viewer",
    "roles/servicehealth.viewer",
    "roles/cloudbuild.builds.viewer",
  ]
  apis = [
    "logging.googleapis.com",
    "run.googleapis.com",
    "sqladmin.googleapis.com",
    "vpcaccess.googleapis.com",
    "container.googleapis.com",
    "redis.googleapis.com",
    "secretmanager.googleapis.com",
    "monitoring.googleapis.com",
    "clouderrorreporting.googleapis.com",
    "servicehealth.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iamcredentials.googleapis.com",
  ]
}

resource "google_project_service" "api" {
  for_each           = toset(local.apis)
  project            = var.home_project
  service            = each.value
  disable_on_destroy = false
}

resource "google_service_account" "auditor" {
  project      = var.home_project
  account_id   = "infra-audit"
  display_name = "Infra Audit, reads only"
}

resource "google_project_iam_member" "auditor" {
  for_each = toset(local.roles)
  project  = var.audited_project
  role     = each.value
  member   = google_service_account.auditor.member
}

resource "google_service_account_iam_member" "server" {
  count              = var.server_account == "" ? 0 : 1
  service_account_id = google_service_account.auditor.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${var.server_account}"
}

output "auditor" {
  description = "For `service_account` in the operator's file."
  value       = google_service_account.auditor.email
}

#!/usr/bin/env bash
# Lets an auditor account read what Infra Audit reads in a project, and nothing else. Running it again changes nothing.
#
#   docs/access/grant.sh AUDITED_PROJECT AUDITOR_ACCOUNT
#
# AUDITOR_ACCOUNT is the address of a service account (name@project.iam.gserviceaccount.com), best one of its own.
# The APIs are turned on in the auditor's own project, which its calls are charged to.
set -euo pipefail

if [[ $# -ne 2 || ! $1 =~ ^[a-z][a-z0-9-]{4,28}[a-z0-9]$ || ! $2 =~ ^[a-z0-9-]+@([a-z0-9-]+)[.]iam[.]gserviceaccount[.]com$ ]]; then
  sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
project=$1
auditor=$2
home=${BASH_REMATCH[1]}

roles=(
  roles/logging.viewer
  roles/run.viewer
  roles/cloudsql.viewer
  roles/vpcaccess.viewer
  roles/container.clusterViewer
  roles/redis.viewer
  roles/secretmanager.viewer
  roles/monitoring.viewer
  roles/errorreporting.viewer
  roles/servicehealth.viewer
  roles/cloudbuild.builds.viewer
)
apis=(
  logging.googleapis.com
  run.googleapis.com
  sqladmin.googleapis.com
  vpcaccess.googleapis.com
  container.googleapis.com
  redis.googleapis.com
  secretmanager.googleapis.com
  monitoring.googleapis.com
  clouderrorreporting.googleapis.com
  servicehealth.googleapis.com
  cloudbuild.googleapis.com
  cloudresourcemanager.googleapis.com
  iamcredentials.googleapis.com
)

gcloud services enable "${apis[@]}" --project="$home" --quiet
for role in "${roles[@]}"; do
  gcloud projects add-iam-policy-binding "$project" \
    --member="serviceAccount:$auditor" --role="$role" --condition=None --quiet >/dev/null
  echo "$role on $project"
done

#!/bin/bash
# Fetch the packed runtime from the bucket once and unpack it, whole or not at all, to /opt/fishladder/NAME. Runs as user
# data of a launch template, before the ECS agent takes the first job. Needs bash, curl 7.88 or later, tar and gzip (so:
# Amazon Linux 2 and 2023 as they are, which have no AWS CLI for certain) and the instance's role, which may read RUNTIME.
# An instance that cannot have the runtime ends itself: it would take job after job and fail each.
set -euo pipefail
trap '[ $? = 0 ] || shutdown -h now; rm -rf "${work:-}"' EXIT
runtime=${RUNTIME:?s3://BUCKET/KEY of the packed runtime}
target=${TARGET:-/opt/fishladder}
metadata=${METADATA_URL:-http://169.254.169.254}/latest

name=$(basename "$runtime" .tar.gz)
[ ! -d "$target/$name" ] || exit 0
mkdir -p "$target"
work=$(mktemp -d "$target/.unpacking.XXXXXX")

patiently() { curl -fsS --connect-timeout 5 --retry 5 --retry-all-errors --retry-delay "${PAUSE:-5}" "$@"; }
token=$(patiently -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$metadata/api/token")
ask() { patiently -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/$1"; }
region=$(ask placement/region)
credentials=$(ask "iam/security-credentials/$(ask iam/security-credentials/)")
value() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" <<<"$credentials"; }

place=${runtime#s3://}
nothing=$(printf '' | sha256sum | cut -d ' ' -f 1) # S3 wants the hash of the request's body
for try in 1 2 3 4 5; do
    # From standard input, or everyone on the instance could read the secret in the list of processes.
    if curl --config - --fail --silent --show-error --output "$work/packed" <<-CONFIG && tar -xzf "$work/packed" -C "$work"
		url = "${S3_URL:-https://s3.$region.amazonaws.com}/$place"
		aws-sigv4 = "aws:amz:$region:s3"
		user = "$(value AccessKeyId):$(value SecretAccessKey)"
		header = "x-amz-security-token: $(value Token)"
		header = "x-amz-content-sha256: $nothing"
	CONFIG
    then
        mv -T "$work/$name" "$target/$name"
        exit 0
    fi
    echo "fishladder: could not fetch $runtime (attempt $try of 5)" >&2
    sleep "${PAUSE:-5}"
done
exit 1

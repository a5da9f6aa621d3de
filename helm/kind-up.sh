#!/usr/bin/env bash
# kind, Argo Workflows, the devstack and the pipeline on this machine, and a sample drop run through it. May be repeated.
set -euo pipefail
cd "$(dirname "$0")/.."

ARGO=${ARGO_MANIFEST:-https://github.com/argoproj/argo-workflows/releases/download/v3.6.10/install.yaml}
WEEK=2024-05-10
version=$(sed -n 's/^appVersion: *//p' helm/Chart.yaml)

missing=
for tool in docker kind kubectl helm; do command -v $tool >/dev/null || missing+=" $tool"; done
[ -z "$missing" ] || { echo "not on the PATH:$missing; make kind-up needs docker, kind, kubectl and helm"; exit 1; }
docker info >/dev/null 2>&1 || { echo "the container engine does not answer: start Docker"; exit 1; }

echo "building the images"
make images

kind get clusters 2>/dev/null | grep -qx eventlog || { echo "making the cluster"; kind create cluster --name eventlog; }
KUBECONFIG=$(mktemp)
forward=
trap 'kill $forward 2>/dev/null || true; rm -f "$KUBECONFIG"' EXIT
export KUBECONFIG
kind get kubeconfig --name eventlog >"$KUBECONFIG"
kind load docker-image --name eventlog eventlog-{ingest,clean,feature}:"$version"

echo "installing Argo Workflows"
kubectl create namespace argo --dry-run=client -o yaml | kubectl apply -f - >/dev/null
kubectl apply -n argo --server-side --force-conflicts -f "$ARGO" >/dev/null
kubectl -n argo rollout status deploy/workflow-controller --timeout=5m >/dev/null

echo "installing the devstack and the pipeline into the namespace eventlog"
kubectl create namespace eventlog --dry-run=client -o yaml | kubectl apply -f - >/dev/null
kubectl label namespace eventlog --overwrite pod-security.kubernetes.io/enforce=restricted >/dev/null
install() { # release, chart, options… (Helm warns of the chart's symbolic links, which are meant)
  helm upgrade --install "$@" -n eventlog --wait --timeout 5m 2>&1 >/dev/null | { grep -v 'found symbolic link' >&2 || true; }
}
install devstack helm/devstack
install eventlog helm -f helm/values-kind.yaml --set "image.tag=$version"

key() { kubectl -n eventlog get secret devstack-minio -o "jsonpath={.data.$1}" | base64 -d; }
kubectl -n eventlog port-forward svc/devstack-minio :9000 >"$KUBECONFIG.port" &
forward=$!
for _ in $(seq 50); do grep -q Forwarding "$KUBECONFIG.port" && break; sleep 0.2; done
port=$(sed -n 's/.*127.0.0.1:\([0-9]*\).*/\1/p' "$KUBECONFIG.port")
rm -f "$KUBECONFIG.port"
export AWS_REGION=us-east-1 AWS_ENDPOINT_URL_S3=http://127.0.0.1:$port
AWS_ACCESS_KEY_ID=$(key AWS_ACCESS_KEY_ID)
AWS_SECRET_ACCESS_KEY=$(key AWS_SECRET_ACCESS_KEY)
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
if .venv/bin/eventlog -q plan --source s3://eventlog/drops --lake s3://eventlog/lake 2>/dev/null | grep -q $WEEK; then
  echo "the sample drop is there"
else
  echo "making a sample drop of 100,000 rows in s3://eventlog/drops/$WEEK"
  .venv/bin/eventlog -q sample --source s3://eventlog/drops --rows 100000 --weeks $WEEK --json >/dev/null
fi

echo "running it (some two minutes)"
run=$(kubectl -n eventlog create -f workflows/submit.yaml -o name)
kubectl -n eventlog wait "$run" --for=jsonpath='{.status.phase}'=Succeeded --timeout=15m
.venv/bin/eventlog status --lake s3://eventlog/lake

cat <<END

The lake is s3://eventlog/lake in the cluster. What is there to do with it:

$(helm get notes eventlog -n eventlog | sed -n '/^Every drop/,$p')
END

// The kinds that the chart writes for other projects' operators: `make charts` reads their CustomResourceDefinitions out of these modules. Nothing imports them, so
// `go mod tidy` would drop them: `go get MODULE@VERSION` raises one.
module github.com/saas-sentinel/saas-sentinel/tools/crds

go 1.27

require (
	github.com/cert-manager/cert-manager v1.21.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
)

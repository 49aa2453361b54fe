module ecp.ai/control-plane/monitoring-crds

go 1.26.0

// Only files of this module are read (its custom resource definitions); nothing of it is compiled.
require github.com/prometheus-operator/prometheus-operator v0.85.0

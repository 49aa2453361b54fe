# One task file. `make` lists every task; `make check` is what CI runs.

CARGO ?= cargo
ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the tasks
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-20s %s\n", $$1, $$2 }'

.PHONY: toolchain
toolchain:
	@command -v $(CARGO) >/dev/null || { \
	  echo "Rust is missing. Install rustup (https://rustup.rs), then run this again: it picks the version that rust-toolchain.toml names."; exit 1; }
	@command -v cc >/dev/null || { \
	  echo "A C compiler is missing (SQLite is compiled in). On Debian or Ubuntu: apt-get install build-essential"; exit 1; }

.PHONY: build
build: toolchain ## Build the optimised binary, target/release/ecp
	$(CARGO) build --release --locked -p ecp-orchestrator

.PHONY: run
run: dashboard build ## Build and start the orchestrator on http://localhost:8001 (ARGS="--listen …" for flags)
	target/release/ecp serve $(ARGS)

# One build for all tests and for the binary that the SDKs and the dashboard are tested with: of single packages,
# Cargo would choose other features of their dependencies, and compile them once more.
TEST = $(CARGO) test --locked --workspace
TESTED = $${ECP_BINARY:-target/debug/ecp}

.PHONY: test-build
test-build: toolchain dashboard
	@[ -n "$$ECP_BINARY" ] || $(TEST) --quiet --no-run

.PHONY: test
test: toolchain ## Run all tests
	$(TEST) --no-fail-fast
	ECP_TEST_POSTGRES=1 $(TEST) --test it -- contract:: tenants:: deployments:: \
	  history:: incarnations:: overview:: receivers:: streams:: costs::

.PHONY: simulate simulate-leases
SEEDS ?= 2000
simulate: toolchain ## Try schedules of whole replicas, each from a seed (SEEDS=200000), or tell one again (SEED=38)
	$(CARGO) run --profile simulate --locked --quiet -p ecp-simulation -- $(if $(filter command line,$(origin SEED)),--seed $(SEED),--seeds $(SEEDS))
	$(if $(filter command line,$(origin SEED)),,$(MAKE) --no-print-directory simulate-leases SEEDS=$(LEASE_SEEDS))

LEASE_SEEDS ?= 500
simulate-leases: toolchain ## Try schedules of leases on a real PostgreSQL server, shrunk where they fail (SEEDS=2000)
	ECP_SIMULATE_SEEDS=$(SEEDS) $(CARGO) test --locked -p ecp-store --lib -- --nocapture simulation

.PHONY: bench
bench: toolchain ## Measure the release build against a bare baseline (ARGS="--seconds 10")
	$(CARGO) build --release --locked -p ecp-orchestrator -p ecp-bench
	target/release/ecp-bench $(ARGS)

.PHONY: bench-dashboard
LOOKS ?= 10
bench-dashboard: dashboard build browser ## Time the first view of / beside /docs, and how 2,000 tenants scroll (LOOKS=10)
	node bench/dashboard/run.mjs target/release/ecp $(LOOKS)

.PHONY: accuracy
accuracy: toolchain ## Hold the sizing to a simulation of what is rendered and write docs/ACCURACY.md (ARGS="--tenants 5000")
	$(CARGO) run --release --locked --quiet -p ecp-bench --bin ecp-accuracy -- $(ARGS)

.PHONY: bench-validate
FILES ?= 1000
bench-validate: build ## Time ecp validate beside kubeconform, built from its Go module (FILES=1000)
	bench/validate/run target/release/ecp $(FILES)

.PHONY: fuzz
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= manifest definition reader quantity body message query
fuzz: toolchain ## Run every fuzz target for a minute each (FUZZ_SECONDS=3600); needs nightly Rust and cargo-fuzz
	@cargo +nightly --version >/dev/null 2>&1 || { echo "Nightly Rust is missing: rustup toolchain install nightly"; exit 1; }
	@cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing: cargo install cargo-fuzz"; exit 1; }
	@for target in $(FUZZ_TARGETS); do mkdir -p fuzz/corpus/$$target; \
	  cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=5 -rss_limit_mb=2048 \
	  || exit 1; done

.PHONY: format
format: toolchain ## Format the code
	$(CARGO) fmt --all

.PHONY: generate
generate: test-build ## Write what is generated from the code: openapi.json, models of SDKs, manifests
	$(TESTED) openapi > openapi.json.new
	mv openapi.json.new openapi.json
	$(MAKE) --no-print-directory sdk-javascript-generate sdk-python-generate

.PHONY: lint
lint: toolchain ## Check formatting and lints
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

.PHONY: generated
generated: test-build ## Check that generated files are up to date
	$(TESTED) openapi | diff -u openapi.json - \
	  || { echo "openapi.json is stale: run 'make generate' and commit it"; exit 1; }

.PHONY: check
check: lint generated test ## Everything that CI checks

# --- a control plane for tests: deploy/control-plane -------------------------------------------------
CONTROL_PLANE = deploy/control-plane/control-plane

.PHONY: control-plane control-plane-build control-plane-down run-cluster
control-plane: ## Start a real Kubernetes control plane on this machine and print its kubeconfig
	@$(CONTROL_PLANE) up

control-plane-build:
	@[ -n "$$ECP_TEST_KUBECONFIG" ] || $(CONTROL_PLANE) build

control-plane-down: ## Stop it and remove what it kept
	@$(CONTROL_PLANE) down

run-cluster: dashboard build ## Start a control plane and the orchestrator in real mode on it, until you stop it
	@trap '$(CONTROL_PLANE) down run-cluster' EXIT; trap : INT TERM; \
	kubeconfig=$$($(CONTROL_PLANE) up run-cluster --watch-pid $$$$) || exit 1; \
	echo "kubeconfig: $$kubeconfig"; \
	ECP_KUBECONFIG=$$kubeconfig target/release/ecp serve $(ARGS)

test: control-plane-build

# --- an Alertmanager for tests: deploy/alertmanager --------------------------------------------------
.PHONY: alertmanager-build
alertmanager-build:
	@deploy/alertmanager/alertmanager --version > /dev/null

test: alertmanager-build

# --- the chart and the plain manifest: deploy/helm, deploy/manifests ---------------------------------
CHART = deploy/helm/ecp-orchestrator
RENDER_MANIFEST = { cat deploy/manifests/namespace.yaml; \
  deploy/helm/helm template ecp-orchestrator $(CHART) --namespace ecp-system; }
SEVERAL = --set replicas=3,database.secret=ecp-database,metrics.url=http://victoria-metrics:8428
RENDER_REPLICAS = { cat deploy/manifests/namespace.yaml; \
  deploy/helm/helm template ecp-orchestrator $(CHART) --namespace ecp-system $(SEVERAL); }

.PHONY: validate-oracle
N ?= 8000
SEED ?= 2
KUBERNETES ?=
validate-oracle: toolchain control-plane-build ## Ask the API server and the validator about N generated objects (SEED=2; KUBERNETES=1.34 or 1.35: that release's own server)
	ECP_ORACLE_CASES=$(N) ECP_ORACLE_SEED=$(SEED) ECP_ORACLE_KUBERNETES=$(KUBERNETES) $(TEST) --test oracle -- --nocapture

.PHONY: chart-lint dashboard-copy manifest-generate manifest-generated
chart-lint:
	deploy/helm/helm lint $(CHART) --strict --quiet
	deploy/helm/helm lint $(CHART) --strict --quiet $(SEVERAL)
	@! deploy/helm/helm template x $(CHART) --set replicas=2 >/dev/null 2>&1 \
	  || { echo "several replicas without a database of all of them must be refused"; exit 1; }

dashboard-copy: # Helm reads no file from outside a chart; a test holds the two equal
	cp deploy/grafana/ecp-orchestrator.json $(CHART)/files/grafana-dashboard.json

manifest-generate: dashboard-copy
	$(RENDER_MANIFEST) > deploy/manifests/ecp-orchestrator.yaml
	$(RENDER_REPLICAS) > deploy/manifests/ecp-orchestrator-replicas.yaml

manifest-generated:
	@$(RENDER_MANIFEST) | diff -u deploy/manifests/ecp-orchestrator.yaml - \
	  || { echo "deploy/manifests/ecp-orchestrator.yaml is stale: run 'make generate' and commit it"; exit 1; }
	@$(RENDER_REPLICAS) | diff -u deploy/manifests/ecp-orchestrator-replicas.yaml - \
	  || { echo "deploy/manifests/ecp-orchestrator-replicas.yaml is stale: run 'make generate' and commit it"; exit 1; }

lint: chart-lint
generate: manifest-generate
generated: manifest-generated

# --- the JavaScript SDK: sdk/javascript --------------------------------------------------------------
JAVASCRIPT := sdk/javascript

.PHONY: node
node:
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || { \
	  echo "Node 20 or newer is missing (https://nodejs.org), or install your system's nodejs and npm."; exit 1; }

$(JAVASCRIPT)/node_modules/.package-lock.json: $(JAVASCRIPT)/package.json $(JAVASCRIPT)/package-lock.json | node
	cd $(JAVASCRIPT) && npm ci --no-audit --no-fund
	@touch $@

.PHONY: sdk-javascript-test
sdk-javascript-test: test-build browser $(JAVASCRIPT)/node_modules/.package-lock.json ## Test the JavaScript SDK
	cd $(JAVASCRIPT) && npm test

.PHONY: sdk-javascript-real-mode
sdk-javascript-real-mode: $(JAVASCRIPT)/node_modules/.package-lock.json ## Test the JavaScript SDK in real mode, on the server at ECP_TEST_REAL_URL
	@[ -n "$$ECP_TEST_REAL_URL" ] || { echo "set ECP_TEST_REAL_URL to a server in real mode, such as http://127.0.0.1:8001/api/v1"; exit 1; }
	cd $(JAVASCRIPT) && npm run test:real

.PHONY: sdk-javascript-lint
sdk-javascript-lint: $(JAVASCRIPT)/node_modules/.package-lock.json ## Check types and formatting of the JavaScript SDK
	cd $(JAVASCRIPT) && npm run lint

.PHONY: sdk-javascript-generated
sdk-javascript-generated: $(JAVASCRIPT)/node_modules/.package-lock.json ## Check that the JavaScript SDK's models are up to date
	@cd $(JAVASCRIPT) && npm run check-generated \
	  || { echo "sdk/javascript/src/generated is stale: run 'make sdk-javascript-generate' and commit it"; exit 1; }

.PHONY: sdk-javascript-generate
sdk-javascript-generate: $(JAVASCRIPT)/node_modules/.package-lock.json ## Write the JavaScript SDK's models from openapi.json
	cd $(JAVASCRIPT) && npm run generate

.PHONY: package-javascript
package-javascript: $(JAVASCRIPT)/node_modules/.package-lock.json ## Pack the JavaScript SDK into dist/
	mkdir -p dist
	cd $(JAVASCRIPT) && npm pack --pack-destination ../../dist

test: sdk-javascript-test
lint: sdk-javascript-lint
generated: sdk-javascript-generated

.PHONY: package
package: package-javascript

# --- the dashboard: dashboard/, embedded in the binary -----------------------------------------------
DASHBOARD := dashboard
DASHBOARD_SOURCES := $(shell find $(DASHBOARD)/src $(JAVASCRIPT)/src -type f 2>/dev/null) \
  $(DASHBOARD)/index.html $(DASHBOARD)/vite.config.ts $(DASHBOARD)/svelte.config.js

$(DASHBOARD)/node_modules/.package-lock.json: $(DASHBOARD)/package.json $(DASHBOARD)/package-lock.json | node
	cd $(DASHBOARD) && npm ci --no-audit --no-fund
	@touch $@

$(DASHBOARD)/dist/index.html: $(DASHBOARD)/node_modules/.package-lock.json $(DASHBOARD_SOURCES)
	cd $(DASHBOARD) && npm run --silent build
	@touch $@

.PHONY: dashboard
dashboard: $(DASHBOARD)/dist/index.html ## Build the dashboard; the next build of the binary embeds it

.PHONY: browser
browser:
	@[ -x "$${CHROMIUM:-/usr/bin/chromium}" ] \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk; } \
	  || { echo "Chromium is missing: the dashboard is tested in a real browser. Install it (apt-get install chromium fonts-noto-cjk), or set CHROMIUM to where it is."; exit 1; }

.PHONY: dashboard-test
dashboard-test: test-build browser control-plane-build ## Test the dashboard in a real browser
	cd $(DASHBOARD) && npm test

.PHONY: dashboard-lint
dashboard-lint: $(DASHBOARD)/node_modules/.package-lock.json ## Check types and formatting of the dashboard
	cd $(DASHBOARD) && npm run lint

.PHONY: dashboard-screenshots
dashboard-screenshots: test-build browser ## Take a picture of each page into dashboard/screenshots
	cd $(DASHBOARD) && npm run screenshots

test: dashboard-test
lint: dashboard-lint

# --- the Go SDK: sdk/go ------------------------------------------------------------------------------
GO_SDK := sdk/go
GO_SDK_VERSION = v$(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

.PHONY: go
go:
	@command -v go >/dev/null || { \
	  echo "Go is missing. Install Go 1.24 or later: from https://go.dev/dl (unpack it to /usr/local and put /usr/local/go/bin on PATH), 'brew install go' on macOS, or 'apt-get install golang-1.24' where your release has it."; exit 1; }
	@go version | grep -qvE ' go1\.(2[0-3]|1?[0-9])([. ]|$$)' || { \
	  echo "$$(go version) is too old. Install Go 1.24 or later: https://go.dev/dl"; exit 1; }

.PHONY: sdk-go-test
sdk-go-test: test-build go ## Test the Go SDK
	@command -v python3 >/dev/null || { \
	  echo "Python is missing; it runs the server that misbehaves. Install Python 3.9 or later (python3)."; exit 1; }
	cd $(GO_SDK) && go mod download && go test ./...

.PHONY: sdk-go-lint
sdk-go-lint: go ## Check formatting and lints of the Go SDK
	@cd $(GO_SDK) && unformatted=$$(gofmt -l .) && [ -z "$$unformatted" ] || { \
	  echo "Not formatted: $$unformatted. Run 'gofmt -w $(GO_SDK)'."; exit 1; }
	cd $(GO_SDK) && go vet ./...

.PHONY: package-go
package-go: go ## Pack the Go SDK into dist/go, a folder for GOPROXY=file://
	cd $(GO_SDK) && go vet ./... && go run ./internal/modulezip $(GO_SDK_VERSION) ../../dist/go

test: sdk-go-test
lint: sdk-go-lint
package: package-go

# --- the Python SDK: sdk/python ----------------------------------------------------------------------
PYTHON := sdk/python

.PHONY: python
python:
	@python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "Python 3.10 or newer with venv is missing (https://www.python.org). On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }

$(PYTHON)/.venv/installed: $(PYTHON)/requirements-dev.txt $(PYTHON)/pyproject.toml | python
	python3 -m venv $(PYTHON)/.venv
	$(PYTHON)/.venv/bin/pip install --quiet --disable-pip-version-check -r $(PYTHON)/requirements-dev.txt
	$(PYTHON)/.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e $(PYTHON)
	@touch $@

.PHONY: sdk-python-test
sdk-python-test: test-build $(PYTHON)/.venv/installed ## Test the Python SDK
	cd $(PYTHON) && .venv/bin/python -m pytest

.PHONY: sdk-python-lint
sdk-python-lint: $(PYTHON)/.venv/installed ## Check formatting, lints and types of the Python SDK
	cd $(PYTHON) && .venv/bin/ruff format --check --quiet . && .venv/bin/ruff check --quiet . && .venv/bin/mypy

.PHONY: sdk-python-generated
sdk-python-generated: $(PYTHON)/.venv/installed ## Check that the Python SDK's models and synchronous client are up to date
	@fresh=$$(mktemp -d) && $(PYTHON)/generate.sh $$fresh/_generated.py && \
	  diff -u $(PYTHON)/src/ecp_orchestrator/_generated.py $$fresh/_generated.py && rm -r $$fresh \
	  || { echo "sdk/python's models are stale: run 'make sdk-python-generate' and commit them"; exit 1; }
	@$(PYTHON)/.venv/bin/python $(PYTHON)/generate_sync.py --check \
	  || { echo "sdk/python's synchronous client is stale: run 'make sdk-python-generate' and commit it"; exit 1; }

.PHONY: sdk-python-generate
sdk-python-generate: $(PYTHON)/.venv/installed ## Write the Python SDK's models from openapi.json, and its synchronous client from the asynchronous one
	$(PYTHON)/generate.sh src/ecp_orchestrator/_generated.py
	$(PYTHON)/.venv/bin/python $(PYTHON)/generate_sync.py

.PHONY: package-python
package-python: python ## Build the Python SDK's wheel into dist/
	python3 -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist ./$(PYTHON)

test: sdk-python-test
lint: sdk-python-lint
generated: sdk-python-generated
package: package-python

# --- all SDKs against a real control plane -----------------------------------------------------------
.PHONY: sdk-real-mode
sdk-real-mode: test-build node go $(PYTHON)/.venv/installed $(JAVASCRIPT)/node_modules/.package-lock.json ## Run the API reference's programs in real mode on a control plane of their own
	sdk/real-mode

test: sdk-real-mode

# --- the Debian package: deploy/debian ---------------------------------------------------------------
.PHONY: dpkg
dpkg:
	@command -v dpkg-deb >/dev/null || { \
	  echo "dpkg-deb is missing; it builds the Debian package. On Debian or Ubuntu: apt-get install dpkg; with Homebrew: brew install dpkg"; exit 1; }

.PHONY: package-debian
package-debian: dashboard build dpkg ## Build the Debian package of the program into dist/
	deploy/debian/package target/release/ecp dist

.PHONY: package-debian-test
package-debian-test: test-build dpkg ## Install the Debian package into an empty folder and use it from there
	deploy/debian/check $(TESTED)

test: package-debian-test
package: package-debian

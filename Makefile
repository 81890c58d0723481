# `make demo` and `make test` set up what they need; `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

# CARGO_TARGET_DIR, when set, moves everything that is built; BULWARK_SO names another compiled program for the tests.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
BULWARK_SO ?= $(TARGET)/deploy/bulwark.so
export BULWARK_SO

.PHONY: help
help: ## what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## check this machine, and install what is missing
	@scripts/setup.sh

.PHONY: build
build: setup ## compile the program to target/deploy/bulwark.so, and beside it the multisig of the tests
	scripts/sbf/build-sbf.sh programs/bulwark -- --locked
	scripts/sbf/build-sbf.sh tests/multisig -- --locked

# Built with the tests, in one selection: choosing single packages would choose other features of what they
# share, and compile the embedded runtime twice.
.PHONY: binaries
binaries: build
	cargo build --quiet --workspace --all-targets --locked

.PHONY: demo
demo: binaries ## the life of a market, on the compiled program
	$(TARGET)/debug/demo $(BULWARK_SO)

.PHONY: localnet
localnet: binaries ## a Solana endpoint with Bulwark on it: markets, moving oracles, funded wallets; Ctrl-C stops it
	@scripts/setup.sh node
	@$(TARGET)/debug/bulwark-localnet

.PHONY: test
test: build ## all tests: engine, SDK and the compiled program
	@scripts/setup.sh node
	cargo test --workspace --locked

STEPS ?= 100000
SEED ?= 1
.PHONY: walk
walk: binaries ## random walks, checked after every step: STEPS=100000 SEED=1
	$(TARGET)/debug/walk --steps $(STEPS) --seed $(SEED)

.PHONY: bench bench-check bench-write
bench: binaries ## compute units of every instruction, also to target/bench/cu.json
	$(TARGET)/debug/bulwark-bench

bench-check: binaries ## the same, and fail when one is more than 2 % above bench/cu.md
	$(TARGET)/debug/bulwark-bench --check

bench-write: binaries ## the same, and rewrite bench/cu.md
	$(TARGET)/debug/bulwark-bench --write

.PHONY: bench-keeper
bench-keeper: setup ## what 100,000 margin accounts cost the keeper; fails when a bound does not hold
	cargo bench --quiet -p bulwark-keeper-bench --locked

.PHONY: alarms
alarms: ## the keeper's alarms: Prometheus reads them, and each fires when it should
	scripts/alarms.sh

.PHONY: idl idl-check
idl: setup ## the interface description for clients, to idl/bulwark.json
	scripts/idl.sh

idl-check: setup ## fail when idl/bulwark.json is not what the program says
	scripts/idl.sh --check

.PHONY: wasm sdk-ts-build sdk-ts e2e-ts
wasm: setup ## the engine for the TypeScript SDK, to sdk/ts/src/engine/bytes.ts
	scripts/wasm.sh

sdk-ts-build: wasm ## the TypeScript SDK to sdk/ts/dist
	@scripts/setup.sh node
	npm run --silent build -w sdk/ts

sdk-ts: sdk-ts-build ## the TypeScript SDK: what is generated is current, lint, types, tests, package, documentation
	npm run --silent generate:check -w sdk/ts
	npm run --silent lint -w sdk/ts
	npm run --silent types -w sdk/ts
	npm run --silent test -w sdk/ts
	npm run --silent package:check -w sdk/ts
	npm run --silent docs -w sdk/ts

e2e-ts: binaries wasm ## the TypeScript SDK against a localnet of its own
	@scripts/setup.sh node
	npm run --silent test:e2e -w sdk/ts

.PHONY: parity quickstart
parity: binaries wasm ## the TypeScript SDK against what the Rust SDK says of 2,000 random portfolios
	@scripts/setup.sh node
	$(TARGET)/debug/parity $(TARGET)/parity
	BULWARK_PARITY=$(TARGET)/parity npm run --silent test:parity -w sdk/ts

quickstart: binaries ## the README's quick starts, as pasted, against a local network of their own
	@scripts/setup.sh node
	scripts/quickstart.sh

.PHONY: selftest
selftest: setup ## check the SBF toolchain: wide integers, memory and panics against the host
	scripts/sbf/selftest.sh

.PHONY: fmt
fmt: ## format all sources
	@scripts/setup.sh lint
	cargo fmt --all
	cargo fmt --all --manifest-path scripts/sbf/selftest/Cargo.toml
	cargo fmt --manifest-path tests/squads/Cargo.toml
	cargo fmt --manifest-path scripts/sbf/builtins/Cargo.toml

.PHONY: fmt-check lint
fmt-check: ## fail when a source is not formatted
	@scripts/setup.sh lint
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path scripts/sbf/selftest/Cargo.toml
	cargo fmt --check --manifest-path tests/squads/Cargo.toml
	cargo fmt --check --manifest-path scripts/sbf/builtins/Cargo.toml

lint: ## clippy, with warnings as errors
	@scripts/setup.sh lint
	cargo clippy --workspace --all-targets --locked -- -D warnings

.PHONY: doc
doc: setup ## the crates' documentation to target/doc, with warnings as errors
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --features bulwark-sdk/rpc --locked

.PHONY: book book-pages
book: setup ## the book of docs/ to target/book, with its snippets, links and anchors checked
	scripts/book.sh

book-pages: setup ## the book's pages that are made from the program: parameters, instructions, events, errors
	BOOK_WRITE=1 cargo test --quiet --workspace --locked --test book

.PHONY: ci
ci: ## everything that must pass
	.ci/run

.PHONY: clean
clean: ## remove what was built; the SBF toolchain stays in its cache
	cargo clean

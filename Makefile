# fishladder: what a user and a developer call. Each target says what it does; `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export PATH := $(CURDIR)/.venv/bin:$(PATH)
SAMPLE ?=
DEMO = $(if $(wildcard demo/config/organisms.lock.tsv),-- --directory demo)

.PHONY: help setup demo dag test test-cloud test-local lint format runtime images push aws-profile

help: ## list the targets
	@sed -n 's/^\([a-z%.-]*\):.* ## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 19

setup: ## install what a run needs, or say what is missing
	@./setup.sh run

demo: setup ## make toy data, run the whole workflow on it, say where the report is
	@python -m tests.toy.demo demo

dag: setup ## draw the rule graph (of the demo, before there is a lock), and with SAMPLE=name the sample's job graph, into dag/
	@python workflow/scripts/draw_dag.py dag $(SAMPLE) $(if $(wildcard config/organisms.lock.tsv),,$(DEMO))

test: ## install what the tests need and run every test
	@./setup.sh test
	@$(MAKE) --no-print-directory --jobs 2 test-cloud test-local

test-cloud: ## of the tests those that need Batch or S3, which are mocked or containers here
	@pytest tests/aws

test-local: ## all others
	@pytest --ignore tests/aws

lint: ## check form and style of everything
	@./setup.sh run
	ruff check
	ruff format --check
	snakefmt --check workflow
	git grep -lE '^#!.*(bash|sh)$$' | xargs shellcheck
	shellcheck workflow/scripts/*.sh
	snakemake --lint --directory tests/configs/one_organism
	cfn-lint infra/batch.yaml

format: ## bring everything into form
	ruff format
	ruff check --fix
	snakefmt workflow

bench-%: setup ## measure: bench-index, bench-align, bench-dry-run, bench-s3, bench-batch, bench-start, bench-hla
	@python bench/bench_$(subst -,_,$*).py

runtime: setup ## build the folder that runs Snakemake in any container image, and pack it
	@containers/runtime/build_runtime

images: setup ## build our own container images with podman
	@containers/build_images

push: setup ## push them: make push REGISTRY=host/path
	@containers/push_images $(REGISTRY)

aws-profile: ## put the account's names where `snakemake --profile aws-batch` finds them
	@profiles/aws-batch/install

requirements.lock: requirements.in ## pin every Python dependency with its hashes
	uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
		--python-version 3.11 --output-file $@ $<

# Variables of the root Makefile and the other files here. The root's PYTHONS, PACKAGE and KIT are set before this.

# An older make, or another one, would misread what follows.
$(if $(filter order-only,$(.FEATURES)),,$(error error: make is $(MAKE_VERSION); accepted: GNU make 3.81 or newer))

# make expands a caller's variable where a line here names it: a `$(shell …)` in it would run.
$(foreach name,ACCELERATOR CI_CACHE ENV IMAGE_TAG PYTHON RESUME,$(if $(findstring $$,$(value $(name))),\
    $(error error: $(name) has a $$ in it, which make would expand: give it without)))

VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m $(PACKAGE)
UV := $(BIN)/python -IS $(KIT)/make/uv.py
# What is installed: the lock, and in the template what the kit's own tests need as well.
LOCKS := requirements.txt $(wildcard packages/mlops-kit/tests/requirements.txt)
INSTALLED := $(VENV)/.installed$(if $(PYTHON),-$(subst /,-,$(PYTHON)))
# $(WITH)NAME: also installs what requirements/NAME.txt lists, which only some targets need.
WITH := $(VENV)/.with-
# For export, serving, scoring and the tests; a project without a service has no such list.
SERVING := $(if $(wildcard requirements/serving.txt),$(WITH)serving)
# For targets that call AWS. ENV=local, an AWS on this machine, has requirements of its own.
AWS := $(if $(and $(filter local,$(ENV)),$(wildcard packages/ecs-local)),$(WITH)local,$(INSTALLED))
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# What the gates check: the team's own code. packages/mlops-kit/tests/tests.mk, which is not shipped, adds the packages.
CODE := src tests
TYPED := src
GATES := format-check lint type-check security test kit-warnings
# A process for each core, of one thread each, and 8 at most, because each takes half a gigabyte.
PARALLEL := --numprocesses=auto --maxprocesses=8 --dist=loadfile

# The code of this folder, even after the folder was moved or copied with its .venv. For the same reason the tools are
# called as modules: their scripts keep the path they were installed to. A caller's own PYTHONPATH may hold another
# numpy or a plugin of pytest, so it is not passed on.
empty :=
comma := ,
export PYTHONPATH := $(subst $(empty) :,:,$(CURDIR)/src$(foreach path,$(wildcard packages/*/src),:$(CURDIR)/$(path)))
unexport PYTHONHOME

# Loopback never goes to a proxy.
direct := $(or $(value no_proxy),$(value NO_PROXY))
export NO_PROXY := $(if $(filter *,$(direct))$(findstring 127.0.0.1,$(direct)),$(direct),$(if $(direct),$(direct)$(comma))127.0.0.1$(comma)localhost)
export no_proxy := $(NO_PROXY)

# CI_CACHE=folder: what a CI system keeps from one run to the next is one folder, whatever the tool.
ifneq ($(CI_CACHE),)
export UV_CACHE_DIR := $(abspath $(CI_CACHE))/uv
export BLACK_CACHE_DIR := $(abspath $(CI_CACHE))/black
export MYPY_CACHE_DIR := $(abspath $(CI_CACHE))/mypy
export RUFF_CACHE_DIR := $(abspath $(CI_CACHE))/ruff
endif

# A timer runs in place of the shell and notes how long each target took, for `make ci-times`. Without a Python: the
# shell.
TIMER := $(wildcard $(KIT)/ci/metrics/timed.py)
TIMER_PYTHON := $(shell for python in python3 $(BIN)/python; do "$$python" -ISc 'import os, sys; sys.version_info < (3, 7) and sys.exit(1); print(os.path.realpath(sys.executable).replace(" ", "\ "))' 2>/dev/null && break; done)
UNTIMED := help help-all clean serve ship mlflow-ui notebook $(KIT)/make/base.mk
SHELL = $(if $(and $(TIMER),$(TIMER_PYTHON),$(filter-out $(UNTIMED),$@)),$(TIMER_PYTHON) -IS $(TIMER) $@,/bin/sh)

MAKEFLAGS += --no-builtin-rules --keep-going
.DEFAULT_GOAL := help

# $(call after,TARGETS): those of TARGETS that are on the same command line. As an order-only
# prerequisite it keeps `make -j format quality-gates` or `make -j train validate` in order.
after = $(filter $(1),$(MAKECMDGOALS))

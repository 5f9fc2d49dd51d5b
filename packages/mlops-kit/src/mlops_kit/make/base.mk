# What the root Makefile and the other files here use. The root's comes first: PYTHONS, PACKAGE and KIT are its own.

# An older make, or another one, would read what follows wrong.
$(if $(filter order-only,$(.FEATURES)),,$(error error: make is $(MAKE_VERSION); accepted: GNU make 3.81 or newer))

# make expands a variable of its caller where a line here names it: `$(shell …)` in one would run.
$(foreach name,ACCELERATOR CI_CACHE ENV IMAGE_TAG PYTHON RESUME,$(if $(findstring $$,$(value $(name))),\
    $(error error: $(name) has a $$ in it, which make would expand: give it without)))

VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m $(PACKAGE)
UV := $(BIN)/python -IS $(KIT)/make/uv.py
# What is installed: the lock, and in the template what the kit's own tests need as well.
LOCKS := requirements.txt $(wildcard packages/mlops-kit/tests/requirements.txt)
INSTALLED := $(VENV)/.installed$(if $(PYTHON),-$(subst /,-,$(PYTHON)))
# $(WITH)NAME: what requirements/NAME.txt lists is installed beside it, as only some targets need it.
WITH := $(VENV)/.with-
# What exports, serves and scores, and so the tests and the types of it; a project without a service has no such list.
SERVING := $(if $(wildcard requirements/serving.txt),$(WITH)serving)
# What a target needs that asks AWS: for ENV=local, the one on this machine, what that imports as well.
AWS := $(if $(and $(filter local,$(ENV)),$(wildcard packages/ecs-local)),$(WITH)local,$(INSTALLED))
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# What the gates look at: the team's own code. packages/mlops-kit/tests/tests.mk, which is not shipped, adds the packages.
CODE := src tests
TYPED := src
GATES := format-check lint type-check security test kit-warnings
# A process for each core, of one thread each, and 8 at most, because each takes half a gigabyte.
PARALLEL := --numprocesses=auto --maxprocesses=8 --dist=loadfile

# The code of this folder, also after the folder was moved or copied with its .venv. For the same reason the tools
# are called as modules: their scripts keep the path they were installed to. A caller's own PYTHONPATH may hold another
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

# In place of the shell runs what notes how long each target took; `make ci-times` shows it. Without a Python: the shell.
TIMER := $(wildcard $(KIT)/ci/metrics/timed.py)
TIMER_PYTHON := $(shell for python in python3 $(BIN)/python; do "$$python" -ISc 'import os, sys; sys.version_info < (3, 7) and sys.exit(1); print(os.path.realpath(sys.executable).replace(" ", "\ "))' 2>/dev/null && break; done)
UNTIMED := help help-all clean serve ship mlflow-ui notebook $(KIT)/make/base.mk
SHELL = $(if $(and $(TIMER),$(TIMER_PYTHON),$(filter-out $(UNTIMED),$@)),$(TIMER_PYTHON) -IS $(TIMER) $@,/bin/sh)

MAKEFLAGS += --no-builtin-rules --keep-going
.DEFAULT_GOAL := help

# $(call after,TARGETS): those of TARGETS that were asked for on the same command line. As an order-only
# prerequisite it makes `make -j format quality-gates` or `make -j train validate` do first things first.
after = $(filter $(1),$(MAKECMDGOALS))

# Everything happens in a virtual environment of its own, which `make clean` removes.

PYTHON ?= python3
# With PORTABLE=1 llama.cpp is compiled for every x86-64 processor with AVX2 and uses nothing newer,
# so that all of them write the same texts.
VENV ?= .venv$(if $(PORTABLE),-portable)
BIN := $(VENV)/bin
GPU_BACKEND ?= vulkan
GPU_VENV := $(VENV)-$(GPU_BACKEND)

# A process more than there are cores, as some tests wait; one that has no tests left takes some
# from the others.
PROCESSES := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PYTEST := $(BIN)/python -m pytest --numprocesses=$(PROCESSES) --dist=worksteal

# How llama.cpp is compiled: see the file. pip's cache knows a build by its version alone, so that
# builds with these settings, for this processor, have a cache of their own beside it.
LLAMA_SETTINGS := -DLLAVA_BUILD=OFF '-DCMAKE_PROJECT_llama.cpp_INCLUDE=$(CURDIR)/tools/llama.cmake'
ifdef PORTABLE
LLAMA_SETTINGS += -DGGML_NATIVE=OFF -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON \
    -DGGML_F16C=ON -DGGML_BMI2=ON -DGGML_AVX_VNNI=OFF -DGGML_AVX512=OFF
endif
LLAMA_BUILD := $(shell { cat tools/llama.cmake; echo "$${CMAKE_ARGS}$(PORTABLE)"; uname -m; \
    grep -m 1 -E '^(flags|Features)' /proc/cpuinfo; } 2>/dev/null | cksum | cut -d ' ' -f 1)
LLAMA_PACKAGE := $(shell sed -n 's/^  "\(llama-cpp-python[^"]*\)",$$/\1/p' pyproject.toml)

.PHONY: demo test quick test-gpu test-web test-clients test-portable lint docs docs-check bench fuzz soak peers release-check clean

demo: $(VENV)/.installed
	$(BIN)/distil generate --model demo --seed 42 "Once upon a time"

test: $(VENV)/.test
	$(PYTEST)

# A part that takes less than a minute, with one run of each command.
quick: $(VENV)/.test
	$(PYTEST) tests/engine/test_*.py tests/engine/llama tests/models tests/terminal tests/machine \
	    tests/probing tests/cli/test_every_command.py

# On the first GPU, or on one in software: Vulkan on Mesa's llvmpipe, which llama.cpp leaves out
# unless it is named. GPU_BACKEND=cuda where there are an NVIDIA GPU and its toolkit.
test-gpu: $(GPU_VENV)/.installed
	GGML_VK_VISIBLE_DEVICES=$${GGML_VK_VISIBLE_DEVICES-0} $(GPU_VENV)/bin/python -m pytest tests/gpu

# The server under load, and its page in Debian's Chromium, which apt installs if it may, or in the
# one that CHROMIUM names.
test-web: $(VENV)/.web-test
	tests/web/chromium.sh
	$(BIN)/python -m pytest tests/web

# Programs and libraries that use distil or its server; `make test` leaves out those that are not
# installed.
test-clients: $(VENV)/.clients-test
	$(BIN)/python -m pytest tests/clients

# The portable build, here and on older processors that QEMU emulates: the same bytes.
test-portable:
	tests/portable/qemu.sh
	$(MAKE) PORTABLE=1 .venv-portable/.test
	.venv-portable/bin/python -m tests.portable

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py

docs-check: $(VENV)/.dev
	$(BIN)/python docs/generate.py --check

# Compiles llama.cpp's own programs once, to compare with them.
bench: $(VENV)/llama.cpp/version
	$(BIN)/python -m tests.bench

fuzz: $(VENV)/.test
	$(BIN)/python -m tests.fuzz.damaged_models
	$(BIN)/python -m tests.fuzz.damaged_models 1000 1 info
	$(BIN)/python -m tests.fuzz.checkpoints
	$(BIN)/python -m tests.fuzz.damaged_models 1000 1 lora
	$(BIN)/python -m tests.fuzz.damaged_models 300 1 quantize
	$(BIN)/python -m tests.fuzz.inputs
	$(BIN)/python -m tests.fuzz.surroundings
	$(BIN)/python -m tests.fuzz.killed_downloads
	$(BIN)/python -m tests.fuzz.killed_batches
	$(BIN)/python -m tests.fuzz.killed_maps
	$(BIN)/python -m tests.fuzz.faulty_hub
	$(BIN)/python -m tests.fuzz.waiting
	$(BIN)/python -m tests.fuzz.interrupts
	$(BIN)/python -m tests.fuzz.grammars
	DISTIL_ALL_CASES=1 $(PYTEST) $$(grep -rl --include='test_*.py' tests.support.extent tests)

soak: $(VENV)/.test
	$(BIN)/python -m tests.soak
	$(BIN)/python -m tests.soak.rows

# Needs PyTorch; a build for the processor alone that was installed before is kept. Compiles
# llama.cpp's own programs once.
peers: $(VENV)/.peers $(VENV)/llama.cpp/version
	$(BIN)/python -m tests.peers
	$(BIN)/python -m tests.peers.llama_divergence
	$(BIN)/python -m tests.peers.llama_choices
	$(BIN)/python -m tests.peers.imported
	$(BIN)/python -m pytest tests/clients/test_fine_tune.py
	$(BIN)/python -m tests.peers.llama_quantize
	$(BIN)/python -m tests.peers.llama_lora

# The archives of a release in dist/, and a text from the wheel in a clean environment.
release-check: $(VENV)/.dev
	rm -rf dist $(VENV)-release
	$(BIN)/python -m build --outdir dist .
	$(MAKE) VENV=$(VENV)-release $(VENV)-release/.llama
	$(VENV)-release/bin/python -m pip install dist/*.whl
	cd dist && ../$(VENV)-release/bin/distil generate --model demo --seed 42 "Once upon a time"
	cd dist && ../$(VENV)-release/bin/distil --version

clean:
	rm -rf $(VENV) $(VENV)-release $(VENV)-portable $(GPU_VENV)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Compiles llama.cpp once; without the settings if a later version does not build with them.
$(VENV)/.llama: pyproject.toml tools/llama.cmake | $(BIN)/python
	@echo "Compiling llama.cpp, unless it was before: about two minutes on two cores."
	cache=$$($(BIN)/python -m pip cache dir)/distil-$(LLAMA_BUILD); \
	CMAKE_ARGS="$(LLAMA_SETTINGS) $$CMAKE_ARGS" PIP_CACHE_DIR=$$cache \
	    $(BIN)/python -m pip install '$(LLAMA_PACKAGE)' || \
	    $(BIN)/python -m pip install '$(LLAMA_PACKAGE)'
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.llama
	$(BIN)/python -m pip install --editable .
	@touch $@

$(VENV)/.test: pyproject.toml $(VENV)/.llama
	$(BIN)/python -m pip install --editable '.[test]'
	@touch $@ $(VENV)/.installed

# Compiles llama.cpp anew, for the GPU.
$(GPU_VENV)/.installed: pyproject.toml tests/gpu/install.sh
	$(PYTHON) -m venv $(GPU_VENV)
	tests/gpu/install.sh $(GPU_VENV) $(GPU_BACKEND)
	@touch $@

$(VENV)/.web-test: pyproject.toml $(VENV)/.llama
	$(BIN)/python -m pip install --editable '.[web-test]'
	@touch $@ $(VENV)/.installed $(VENV)/.test

$(VENV)/.clients-test: pyproject.toml $(VENV)/.llama
	$(BIN)/python -m pip install --editable '.[clients]'
	@touch $@ $(VENV)/.installed $(VENV)/.test

$(VENV)/.peers: pyproject.toml $(VENV)/.llama
	$(BIN)/python -m pip install --editable '.[peers]'
	@touch $@ $(VENV)/.installed $(VENV)/.test

$(VENV)/llama.cpp/version: pyproject.toml tests/peers/llama_programs.sh $(VENV)/.llama
	$(BIN)/python -m pip install --editable '.[bench]'
	@touch $(VENV)/.installed $(VENV)/.test
	tests/peers/llama_programs.sh $(BIN)/python $(VENV)/llama.cpp

$(VENV)/.dev: pyproject.toml $(VENV)/.llama
	$(BIN)/python -m pip install --editable '.[dev]'
	@touch $@ $(VENV)/.installed $(VENV)/.test $(VENV)/.web-test

# Everything is installed into .venv by 'make venv'; the other targets call it themselves.
PYTHON ?= python3
BIN := .venv/bin
SECONDS ?=
BUNDLE ?= runs/demo/bundle
STUDY ?= studies/busi
FOLDS ?= 4
EPOCHS ?= 30

TOOLS := chromium dicom3tools udev xdotool xvfb

.PHONY: help venv tools demo test test-slow test-pythons test-page test-kill test-gpu check bench agreement kernels deb test-vm test-vm-core clean

help: ## this text
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

venv: .venv/stamp ## install everything the other targets need into .venv

.venv/stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade 'pip>=24'
	$(BIN)/pip install --disable-pip-version-check --progress-bar off --quiet -c constraints.txt -e '.[train,dicom,screen,dev,kernels]'
	@touch $@

tools: ## Debian's packages without which some tests skip: browser, DICOM validator, X server (root, apt)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(TOOLS) > /dev/null

demo: venv ## study, training, export, INT8 and a live overlay; SECONDS=20 ends by itself
	$(BIN)/sonocart demo --out runs/demo $(if $(SECONDS),--seconds $(SECONDS))

check: venv ## style, types and the arrows between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## check, then every test that this machine can run in a few minutes
	$(BIN)/pytest -n 2 -m 'not slow'

test-slow: venv ## the tests that take longer or measure, one after the other
	$(BIN)/pytest -m slow

# The cart runs on 3.10 to 3.13; no torch is installed for it.
test-pythons: venv ## the cart's tests on every other Python 3.10 to 3.13 that is on this machine
	$(BIN)/python tests/pythons.py

test-page: venv ## the page in Chromium: what visitors see and do, axe-core on every size
	$(BIN)/pytest -m slow tests/outputs/page/test_browser.py

test-kill: venv ## SIGKILL at 50 random moments while recording: what plays and what is lost
	$(BIN)/pytest -m slow -s tests/outputs/test_recorder_kill.py

test-gpu: venv ## on a machine with an NVIDIA GPU: its tests and the kernels' times, into docs/measurements
	$(BIN)/python -m calibration.kernel_timing
	$(MAKE) kernels
	$(BIN)/pip install --disable-pip-version-check --quiet -e '.[tensorrt]'
	$(BIN)/pytest -m gpu tests/engines
	$(BIN)/python -m calibration.kernel_timing docs/measurements

bench: venv ## figures of BUNDLE (default: the demo's), printed and written to runs/bench
	$(BIN)/sonocart bench engine $(BUNDLE) --interleave fp32,int8
	$(BIN)/sonocart bench pipeline $(BUNDLE) --source phantom: --against naive
	$(BIN)/sonocart bench pipeline $(BUNDLE) --source phantom:fps=60 --pace live --seconds 60
	$(BIN)/sonocart bench glass $(BUNDLE)

agreement: venv ## all figures of INT8 and FP16 against FP32, on held-out folds; STUDY=folder FOLDS=4 (3 or more) EPOCHS=30
	set -e; for k in $$(seq $(FOLDS)); do d=runs/folds/$$k; rm -rf $$d; mkdir -p $$d; \
	  $(BIN)/sonocart study split $(STUDY) --folds $(FOLDS) --test-fold $$k --out $$d/study.csv; \
	  $(BIN)/sonocart train $$d/study.csv --out $$d/run --network compact --members 1 --epochs $(EPOCHS) --seed $$k; \
	  $(BIN)/sonocart export $$d/run --out $$d/bundle --no-spread; \
	  for p in int8 fp16; do $(BIN)/sonocart calibrate $$d/bundle --frames $$d/study.csv --precision $$p; done; done
	status=0; for p in 'int8' 'int8 --kernels' fp16; do \
	  $(BIN)/sonocart agree $(foreach k,$(shell seq $(FOLDS)),runs/folds/$(k)/bundle) \
	  --frames runs/folds/1/study.csv --precision $$p || status=$$?; done; \
	  $(BIN)/sonocart bench engine runs/folds/1/bundle --interleave fp32,int8; exit $$status

kernels: venv ## compile the CUDA kernels to cubins; needs no GPU
	$(BIN)/python -m calibration.cubins

# For a Jetson with JetPack 6: make deb DEB='--arch arm64 --python 3.10 --system-site-packages'
deb: venv ## the Debian package for a cart, into dist/
	$(BIN)/python packaging/build_deb.py $(DEB)

# Needs root and apt, no KVM; keeps Debian and its kernel in ~/.cache/sonocart-vm. ROWS=1,27 runs some rows of the table.
test-vm: deb ## the packaged service in a virtual cart with a V4L2 device, broken on purpose
	$(BIN)/python tests/vm/cart.py --deb $$(ls -t dist/sonocart_*_amd64.deb | head -1) $(if $(ROWS),--rows $(ROWS))

test-vm-core: deb ## what continuous integration runs of it; skipped, with the reason, where no guest can be made
	$(BIN)/python tests/vm/cart.py --core --deb $$(ls -t dist/sonocart_*_amd64.deb | head -1)

clean: ## remove the environment, runs and caches
	rm -rf .venv runs dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

#!/bin/sh
# What `make demo-real` runs, from the project's root, with .venv/bin on the PATH.
exec python -m examples.demo_real

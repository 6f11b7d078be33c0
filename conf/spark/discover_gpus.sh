#!/bin/sh
# Tells Spark the indices of this host's GPUs, in the form of spark.executor.resource.gpu.discoveryScript.
set -eu
gpus=$(nvidia-smi --query-gpu=index --format=csv,noheader | sed 's/.*/"&"/' | paste -sd, -)
printf '{"name": "gpu", "addresses": [%s]}\n' "$gpus"

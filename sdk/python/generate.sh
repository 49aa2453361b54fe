#!/usr/bin/env bash
# Writes the models from the OpenAPI document to the file that is named: one TypedDict for each schema.
set -euo pipefail
cd "$(dirname "$0")"
.venv/bin/datamodel-codegen --input ../../openapi.json --input-file-type openapi \
  --output-model-type typing.TypedDict --target-python-version 3.10 --no-use-union-operator \
  --use-standard-collections --use-double-quotes --disable-timestamp --use-schema-description \
  --use-field-description --formatters builtin --output "$1"

#!/usr/bin/env python3
"""Writes monitoring.json: what the Prometheus operator's definitions say of the kinds that users write.

usage: monitoring.py FOLDER > monitoring.json

FOLDER is `example/prometheus-operator-crd` of the module `github.com/prometheus-operator/prometheus-operator`
(`go mod download -json` prints where it lies). Kept is what a value is held against: types, words, patterns,
bounds, lists that are maps. Needs PyYAML.
"""

import json
import pathlib
import sys

import yaml

KINDS = ["podmonitors", "probes", "prometheusrules", "servicemonitors"]
LEFT_OUT = {"description", "format"}
# Fields of later releases, so that what those take is not refused.
LATER = {"ServiceMonitor": {"serviceDiscoveryRole": {"type": "string"}}}


def packed(schema):
    """A schema without what is for people."""
    if isinstance(schema, list):
        return [packed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {}
    for name, of in schema.items():
        if name == "properties":
            made[name] = {field: packed(inner) for field, inner in of.items()}
        elif name not in LEFT_OUT:
            made[name] = packed(of)
    return made


def main():
    folder, kinds = pathlib.Path(sys.argv[1]), {}
    for name in KINDS:
        spec = yaml.safe_load((folder / f"monitoring.coreos.com_{name}.yaml").read_text())["spec"]
        kind, version = spec["names"]["kind"], spec["versions"][0]
        schema = packed(version["schema"]["openAPIV3Schema"])
        schema["properties"]["spec"]["properties"].update(LATER.get(kind, {}))
        # The operator writes it.
        schema["properties"]["status"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        kinds[kind] = schema
    print(json.dumps(kinds, sort_keys=True, separators=(",", ":")))


main()

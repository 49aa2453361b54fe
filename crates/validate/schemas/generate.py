#!/usr/bin/env python3
"""Writes kubernetes.txt: what the OpenAPI of three Kubernetes releases says of every built-in kind.

usage: generate.py 1.34=swagger.json 1.35=swagger.json 1.36=swagger.json > kubernetes.txt

The inputs are `api/openapi-spec/swagger.json` of the modules `k8s.io/kubernetes@v1.34.x` and so on
(`go mod download -json` prints where a module lies). Read by `src/schema.rs`, which explains the form.
"""

import json
import re
import sys

GROUPS = re.compile(r"^v\d+$")
SCALARS = {
    ("string", None): "s",
    ("string", "byte"): "b",
    ("string", "date-time"): "t",
    ("string", "int-or-string"): "x",
    ("integer", "int32"): "i",
    ("integer", "int64"): "l",
    ("integer", None): "l",
    ("number", "double"): "n",
    ("number", None): "n",
    ("boolean", None): "f",
}
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "q",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "x",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "t",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "u",
}


def short(name):
    """io.k8s.api.apps.v1.Deployment is apps.v1.Deployment."""
    return ".".join(name.split(".")[-3:])


def type_of(schema, wanted):
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name in SPECIAL:
            return SPECIAL[name]
        wanted.append(name)
        return "@" + short(name)
    kind = schema.get("type")
    if kind == "array":
        return "[" + type_of(schema["items"], wanted)
    if kind == "object" and "additionalProperties" in schema:
        return "{" + type_of(schema["additionalProperties"], wanted)
    if kind == "object":
        return "o"
    return SCALARS.get((kind, schema.get("format"))) or SCALARS.get((kind, None)) or "a"


def main():
    releases = []
    for index, argument in enumerate(sys.argv[1:]):
        release, path = argument.split("=", 1)
        with open(path, encoding="utf-8") as file:
            releases.append((release, 1 << index, json.load(file)))

    kinds, optional, definitions = {}, {}, {}
    for _, bit, document in releases:
        wanted = []
        for path, operations in document["paths"].items():
            post = operations.get("post", {})
            gvk = post.get("x-kubernetes-group-version-kind")
            parts = path.strip("/").split("/")
            if not gvk or parts[-1].startswith("{"):
                continue
            namespaced = "{namespace}" in parts
            # A subresource has the name of its object before it.
            if "{name}" in parts:
                continue
            group, version, kind = gvk["group"], gvk["version"], gvk["kind"]
            api_version = f"{group}/{version}" if group else version
            if not GROUPS.match(version):
                optional[(api_version, kind)] = optional.get((api_version, kind), 0) | bit
                continue
            for name, definition in document["definitions"].items():
                if gvk in definition.get("x-kubernetes-group-version-kind", []):
                    break
            else:
                continue
            # Namespaced kinds have a list over all namespaces too, which takes no POST.
            key = (api_version, kind, "N" if namespaced else "C", short(name))
            kinds[key] = kinds.get(key, 0) | bit
            wanted.append(name)
        done = set()
        while wanted:
            name = wanted.pop()
            if name in done:
                continue
            done.add(name)
            definition = document["definitions"][name]
            fields = definitions.setdefault(short(name), {})
            if "properties" not in definition:
                is_object = definition.get("type") == "object"
                fields[("*", "o" if is_object else "a")] = fields.get(("*", "o" if is_object else "a"), 0) | bit
                continue
            for field, schema in definition["properties"].items():
                form = type_of(schema, wanted)
                if field in definition.get("required", []):
                    form += "!"
                if schema.get("x-kubernetes-list-type") == "map":
                    form += " =" + ",".join(schema["x-kubernetes-list-map-keys"])
                elif schema.get("x-kubernetes-list-type") == "set":
                    form += " ="
                fields[(field, form)] = fields.get((field, form), 0) | bit

    print("# Made by generate.py from the OpenAPI of Kubernetes", ", ".join(release for release, _, _ in releases))
    for (api_version, kind, scope, name), mask in sorted(kinds.items()):
        print(f"K {mask} {api_version} {kind} {scope} {name}")
    for (api_version, kind), mask in sorted(optional.items()):
        print(f"O {mask} {api_version} {kind}")
    for name, fields in sorted(definitions.items()):
        print(f"D {name}")
        for (field, form), mask in sorted(fields.items()):
            print(f"{mask} {field} {form}")


main()

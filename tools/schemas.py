"""tools/schemas.py OUT RELEASES MODULE...: lays schemas out as OUT/vRELEASE/GROUP/KIND_VERSION.json for kubeconform: those of Kubernetes' releases, split by commas,
from the package kubernetes-validate, and those of the CustomResourceDefinitions in the folders of Go modules. A field that no schema names is a fault. Rules
in CEL are left out: only an API server runs them."""
import importlib.resources, json, pathlib, sys
import yaml


def write(release, api, kind, schema):
    group, _, version = api.rpartition("/")
    path = out / f"v{release}" / (group or version) / f"{kind.lower()}_{version}.json"  # kubeconform takes the version for the group of what has none
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(schema))


def closed(schema):
    """A structural schema as JSON schema that refuses unknown fields. What stands under anyOf and the like is about values alone."""
    schema = {k: v for k, v in schema.items() if k not in ("description", "x-kubernetes-validations")}
    if "properties" in schema:
        schema["properties"] = {name: closed(of) for name, of in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = closed(schema[key])
    if schema.pop("nullable", False):
        schema["type"] = [schema["type"], "null"]
    return schema


out, releases, modules = pathlib.Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
for release in releases:
    for file in (importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{release}-local-strict").iterdir():
        schema = json.loads(file.read_text().replace('"/api/_definitions.json#', '"../_definitions.json#'))
        schema.pop("$id", None)
        if file.name == "_definitions.json":
            (out / f"v{release}").mkdir(parents=True, exist_ok=True)
            (out / f"v{release}" / file.name).write_text(json.dumps(schema))
        for api in schema.get("properties", {}).get("apiVersion", {}).get("enum", []):
            write(release, api, schema["properties"]["kind"]["enum"][0], schema)
for module in map(pathlib.Path, modules):
    files = [*module.glob("deploy/crds/*.yaml"), *module.glob("jsonnet/prometheus-operator/*-crd.json")]
    if not files:
        sys.exit(f"schemas: {module} has no CustomResourceDefinitions where they are looked for")
    for file in files:
        crd = (json.loads if file.suffix == ".json" else yaml.safe_load)(file.read_text())["spec"]
        for version in crd["versions"]:
            for release in releases:
                write(release, f"{crd['group']}/{version['name']}", crd["names"]["kind"], closed(version["schema"]["openAPIV3Schema"]))

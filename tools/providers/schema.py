"""tools/providers/schema.py PACKAGE.tgz OUT MODULE...: writes the schema of a provider's resources and data sources that Terraform modules use, as
`tofu providers schema -json` prints it, out of the provider's bindings for the CDK: they are made from the provider's own schema, and name each attribute, its
type, and whether it is required. What they do not know is left open: every other attribute is optional and computed."""
import json, pathlib, re, sys, tarfile

SIMPLE = {"string": "string", "number": "number", "boolean": "bool", "stringList": ["list", "string"], "numberList": ["list", "number"], "stringMap": ["map", "string"],
          "booleanMap": ["map", "bool"], "numberMap": ["map", "number"], "stringListMap": ["map", ["list", "string"]], "anyMap": ["map", "dynamic"], "any": "dynamic"}
GETTERS = {"String": "string", "Number": "number", "Boolean": "bool", "List": ["list", "string"], "NumberList": ["list", "number"], "StringMap": ["map", "string"],
           "AnyMap": ["map", "dynamic"], "BooleanMap": ["map", "bool"], "NumberMap": ["map", "number"]}


class Binding:
    """One resource's or data source's class, and those of its blocks."""

    def __init__(self, code, types):
        self.classes = {m[1]: m[2] for m in re.finditer(r"(?ms)^class (\w+) extends [^\n]*\n(.*?)^}", code)}
        self.inputs = {m[1].lower(): m[2] for m in re.finditer(r"(?ms)^function (\w+)ToHclTerraform\(.*?\n(.*?)^}", code)}
        # What a name is required in: interface, attribute.
        self.required = {(m[1].lower(), name) for m in re.finditer(r"(?ms)^export interface (\w+) .*?^}", types)
                         for name in re.findall(r"#(\w+) [\w#]+\}\n(?:\s+\*[^\n]*\n)*?\s+\*/\n\s+readonly \w+:", m[0])}
        self.name = next(name for name, body in self.classes.items() if "tfResourceType" in body or "terraformResourceType" in body)

    def block(self, body, interface, computed):
        """The block whose inputs stand in a function's body, and whose computed attributes in a class's."""
        attributes, blocks = {}, {}
        for m in re.finditer(r"(?ms)^        +(\w+): \{\n\s+value: (.*?),\n\s+isBlock: (\w+),\n\s+type: \"(\w+)\",\n\s+storageClassType: \"(\w+)\"", body):
            name, value, is_block, kind, of = m.groups()
            required = (interface.lower(), name) in self.required
            if is_block == "false" and of in SIMPLE:
                shape = SIMPLE[of]
                if kind == "set":
                    shape = ["set", shape[1]]
                attributes[name] = {"type": shape, **({"required": True} if required else {"optional": True, "computed": True})}
                continue
            nested = re.search(r"(\w+)ToHclTerraform", value)[1]
            inner = self.block(self.inputs[nested.lower()], nested, self.classes.get(nested[0].upper() + nested[1:] + "OutputReference", ""))
            if kind == "struct" and name != "timeouts":
                attributes[name] = {"type": "dynamic", "optional": True}  # an object of which parts may be left out, which is no block
            elif is_block == "false":
                shape = ["object", {n: a["type"] for n, a in inner["attributes"].items()}]
                attributes[name] = {"type": [kind, shape] if kind in ("list", "set", "map") else shape, **({"required": True} if required else {"optional": True, "computed": True})}
            else:
                blocks[name] = {"nesting_mode": kind if kind in ("list", "set", "map") else "single", "block": inner, **({"min_items": 1} if required and kind in ("list", "set") else {})}
        for name, shape in self.outputs(computed).items():
            if name not in attributes and name not in blocks:
                attributes[name] = {"type": shape, "computed": True}
        return {"attributes": attributes, **({"block_types": blocks} if blocks else {})}

    def outputs(self, body):
        found = {m[2]: GETTERS[m[1]] for m in re.finditer(r"this\.get(\w+?)Attribute\('(\w+)'\)", body) if m[1] in GETTERS}
        for m in re.finditer(r"new (?:\w+\.)?(\w+?)(List|Map|OutputReference)\(this, \"(\w+)\"", body):
            shape = ["object", self.outputs(self.classes.get(m[1] + "OutputReference", ""))]
            found[m[3]] = {"List": ["list", shape], "Map": ["map", shape]}.get(m[2], shape)
        return found

    def schema(self):
        body = self.classes[self.name]
        inputs = re.search(r"(?ms)^    synthesizeHclAttributes\(\) \{\n(.*?)^    \}", body)[1]
        version = re.search(r"providerVersion: '([\d.]+)'", body)[1]
        return {"version": 0, "block": self.block(inputs, self.name + "Config", body)}, version


package, out, modules = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
provider = re.search(r"provider-(\w+)-", package)[1]
used = {(m[1], m[2]) for module in modules for file in pathlib.Path(module).glob("*.tf")
        for m in re.finditer(rf'(?m)^(resource|data) "{provider}_(\w+)"', file.read_text())}
schema, versions = {"resource_schemas": {}, "data_source_schemas": {}}, set()
with tarfile.open(package) as tar:
    files = [m for m in tar.getmembers() if m.isfile()]
    # A large one is cut into several files.
    read = lambda folder, ending: "\n".join(tar.extractfile(m).read().decode() for m in files if m.name.startswith(f"package/lib/{folder}/") and m.name.endswith(ending))
    schema["provider"], _ = Binding(read("provider", ".js"), read("provider", ".d.ts")).schema()
    for kind, name in sorted(used):
        folder = ("data-" + provider + "-" if kind == "data" else "") + name.replace("_", "-")
        found, version = Binding(read(folder, ".js"), read(folder, ".d.ts")).schema()
        schema["data_source_schemas" if kind == "data" else "resource_schemas"][f"{provider}_{name}"] = found
        versions.add(version)
if len(versions) != 1:
    sys.exit(f"schema: {package} has {sorted(versions)} for what {modules} use: want one version of the provider")
folder = out / provider / versions.pop()
folder.mkdir(parents=True, exist_ok=True)
(folder / "schema.json").write_text(json.dumps(schema, indent=1))

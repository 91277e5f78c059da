"""Reads every file of deploy/terraform as python-hcl2 does, and compares what modules are called with and asked for with what they declare.

tofu validate does that too, and more, but needs the providers' schemas from a registry.
"""

import pathlib
import re
import sys

import hcl2

root = pathlib.Path("deploy/terraform")
faults: list[str] = []


def blocks(files: dict, kind: str) -> dict[str, dict]:
    """The blocks of a kind in a folder, by their first label."""
    return {label.strip('"'): body for text in files.values() for block in text.get(kind, []) for label, body in block.items() if label != "__is_block__"}


folders: dict[pathlib.Path, dict] = {}
for file in sorted([*root.rglob("*.tf"), *root.rglob("*.tftest.hcl")]):
    try:
        parsed = hcl2.loads(file.read_text())
    except Exception as fault:  # python-hcl2 raises what its parser raises
        faults.append(f"{file}: {fault}")
        continue
    if file.suffix == ".tf":
        folders.setdefault(file.parent, {})[file.name] = parsed

calls = 0
for folder, files in folders.items():
    own = blocks(files, "variable")
    faults += [f"{folder}: var.{name} is not declared" for name in sorted(set(re.findall(r"\bvar\.(\w+)", str(files))) - set(own))]
    for name, call in blocks(files, "module").items():
        calls += 1
        source = call["source"].strip('"')
        target = (folder / source).resolve().relative_to(pathlib.Path.cwd())
        declared, outputs = blocks(folders.get(target, {}), "variable"), blocks(folders.get(target, {}), "output")
        given = {key for key in call if not key.startswith("__")} - {"source", "providers", "count", "for_each", "depends_on"}
        asked = set(re.findall(rf"\bmodule\.{name}(?:\[[^]]*\])?\.(\w+)", str(files)))
        required = {key for key, body in declared.items() if "default" not in body}
        for what, names in {"takes no": given - set(declared), "wants": required - given, "has no output": asked - set(outputs)}.items():
            faults += [f"{folder}: module {name}, {source}, {what} {key}" for key in sorted(names)]

for fault in faults:
    print(fault)
if not faults and calls < 5:
    sys.exit(f"only {calls} calls of modules were seen")
sys.exit(bool(faults))

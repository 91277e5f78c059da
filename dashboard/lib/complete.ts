// What fits at a place of a policy, by its JSON Schema.

export interface Node {
  description?: string;
  properties?: Record<string, Node>;
  additionalProperties?: boolean | Node;
  items?: Node;
  anyOf?: Node[];
  enum?: string[];
  examples?: string[];
  type?: string | string[];
}

/** Names are those of the policy in force and of the catalog, by the key that takes them. */
export type Names = Record<string, string[]>;

export interface Option { label: string; detail?: string; key: boolean }

const entry = /^("[^"]*"|'[^']*'|[^\s#:{}[\],"'][^:#{}[\],]*?)\s*:(?=\s|$)\s*/;
const plain = (key: string) => key.replace(/^(["'])(.*)\1$/, "$2");

/** place finds the keys that lead to the end of a text, and what has been written there of a key or of a value. */
export function place(before: string): { path: string[]; value: boolean; written: string } | undefined {
  const lines = before.split("\n"), stack: { indent: number; key: string }[] = [];
  for (const [n, line] of lines.entries()) {
    const last = n === lines.length - 1;
    if (!last && /^\s*(#|$)/.test(line)) continue;
    let indent = line.search(/\S|$/), rest = line.slice(indent);
    const leave = () => { while (stack.length && stack.at(-1)!.indent >= indent) stack.pop(); };
    for (let item; (item = /^-\s+/.exec(rest)); ) { // a key behind it is within the item
      leave();
      indent += item[0].length;
      rest = rest.slice(item[0].length);
    }
    leave();
    const found = entry.exec(rest);
    if (found) {
      stack.push({ indent, key: plain(found[1]!) });
      rest = rest.slice(found[0].length);
    }
    if (!last) continue;
    if (/(^|\s)#/.test(rest)) return undefined; // a comment
    const path = stack.map((s) => s.key);
    return /^[{[]/.test(rest) ? flow(path, rest) : { path, value: !!found, written: rest };
  }
  return undefined;
}

/** flow goes on within braces and brackets of one line. */
function flow(path: string[], text: string): { path: string[]; value: boolean; written: string } | undefined {
  const open: { brace: boolean; depth: number }[] = [];
  const here = [...path];
  let value = false;
  for (let rest = text; ; ) {
    rest = rest.trimStart();
    const sign = rest[0];
    if (sign === "{" || sign === "[") {
      open.push({ brace: sign === "{", depth: here.length });
      value = sign === "[";
      rest = rest.slice(1);
    } else if (sign === "}" || sign === "]" || sign === ",") {
      const at = open.at(-1);
      if (!at) return undefined;
      here.length = at.depth;
      if (sign !== ",") open.pop();
      value = sign !== "," || !at.brace;
      rest = rest.slice(1);
    } else {
      const found = !value && entry.exec(rest);
      if (found) {
        here.push(plain(found[1]!));
        value = true;
        rest = rest.slice(found[0].length);
        continue;
      }
      const end = rest.search(/[{}[\],]/);
      if (end < 0) return open.length ? { path: here, value, written: rest } : undefined;
      rest = rest.slice(Math.max(end, 1));
    }
  }
}

/** forms lists what a node may be, lists by their items: a lone value stands for a list of one. */
const forms = (n: Node): Node[] => [n, ...(n.anyOf ?? []).flatMap(forms), ...(n.items ? forms(n.items) : [])];

/** nodesAt follows keys from the root. */
export function nodesAt(root: Node, path: string[]): Node[] {
  return path.reduce((nodes, key) => nodes.flatMap((n) => {
    const next = n.properties && Object.hasOwn(n.properties, key) ? n.properties[key] : typeof n.additionalProperties === "object" ? n.additionalProperties : undefined;
    return next ? forms(next) : [];
  }), forms(root));
}

/** complete lists what fits at the end of a text, and how much of it has been written. */
export function complete(root: Node, names: Names, before: string): { written: string; options: Option[] } | undefined {
  const at = place(before);
  if (!at) return undefined;
  const nodes = nodesAt(root, at.path), options = new Map<string, Option>();
  const add = (o: Option) => { if (!options.has(o.label)) options.set(o.label, o); };
  if (!at.value) for (const n of nodes) for (const [label, p] of Object.entries(n.properties ?? {})) add({ label, detail: p.description, key: true });
  const key = at.path.at(-1) ?? "", known = Object.hasOwn(names, key) ? names[key]! : [];
  if (at.value || options.size === 0) {
    for (const label of known) add({ label, key: false });
    for (const n of nodes) {
      for (const label of n.enum ?? []) add({ label, key: false });
      if (n.type === "boolean") for (const label of ["true", "false"]) add({ label, key: false });
      if (known.length === 0) for (const label of n.examples ?? []) add({ label, detail: "for example", key: false });
    }
  }
  return options.size ? { written: at.written, options: [...options.values()] } : undefined;
}

export interface Place { line: number; column: number; message: string }

/** placeOf reads a fault of the compiler: FILE:LINE:COLUMN: MESSAGE. */
export function placeOf(fault: string): Place | undefined {
  const m = /^[^:]*:(\d+):(\d+): (.*)$/s.exec(fault);
  return m ? { line: Number(m[1]), column: Number(m[2]), message: m[3]! } : undefined;
}

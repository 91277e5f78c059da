export interface Line {
  mark: "+" | "-" | " ";
  text: string;
}

const around = 2;

/** difference compares two texts by lines: what went, what came, and two lines around. Beyond the common ends, lines are matched by the longest common subsequence. */
export function difference(before: string, after: string): Line[] {
  const a = before.split("\n"), b = after.split("\n");
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const x = a.slice(head, a.length - tail), y = b.slice(head, b.length - tail);
  const out: Line[] = a.slice(Math.max(0, head - around), head).map((text) => ({ mark: " ", text }));
  out.push(...(x.length * y.length > 1_000_000 ? replaced(x, y) : matched(x, y)));
  out.push(...a.slice(a.length - tail, a.length - tail + around).map((text): Line => ({ mark: " ", text })));
  return out;
}

const replaced = (x: string[], y: string[]): Line[] => [...x.map((text): Line => ({ mark: "-", text })), ...y.map((text): Line => ({ mark: "+", text }))];

function matched(x: string[], y: string[]): Line[] {
  const width = y.length + 1;
  const longest = new Uint32Array((x.length + 1) * width);
  for (let i = x.length - 1; i >= 0; i--)
    for (let j = y.length - 1; j >= 0; j--)
      longest[i * width + j] = x[i] === y[j] ? longest[(i + 1) * width + j + 1]! + 1 : Math.max(longest[(i + 1) * width + j]!, longest[i * width + j + 1]!);
  const out: Line[] = [];
  let i = 0, j = 0;
  while (i < x.length || j < y.length) {
    if (i < x.length && j < y.length && x[i] === y[j]) { out.push({ mark: " ", text: x[i]! }); i++; j++; }
    else if (j >= y.length || (i < x.length && longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!)) out.push({ mark: "-", text: x[i++]! });
    else out.push({ mark: "+", text: y[j++]! });
  }
  return out;
}

// Money comes as strings of nano-dollars and stays an integer until it is shown.

const nano = 1_000_000_000n;

/** usd shows nano-dollars as dollars: cents for large amounts, more digits for amounts below a dollar. */
export function usd(amount: string | undefined, digits?: number): string {
  const n = BigInt(amount ?? "0");
  const abs = n < 0n ? -n : n;
  const places = digits ?? (abs === 0n || abs >= nano ? 2 : abs >= 10_000_000n ? 3 : abs >= 10_000n ? 6 : 9);
  const unit = 10n ** BigInt(9 - places);
  const rounded = (abs + unit / 2n) / unit;
  const scale = 10n ** BigInt(places);
  const whole = (rounded / scale).toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const rest = places === 0 ? "" : "." + (rounded % scale).toString().padStart(places, "0");
  return (n < 0n ? "−$" : "$") + whole + rest;
}

/** pixels gives dollars as a number for the place of a mark in a chart, never for a figure that is read. */
export function pixels(amount: string | undefined): number {
  return Number(BigInt(amount ?? "0")) / 1e9;
}

/** change says by how many percent a figure has changed; empty where there was nothing. */
export function change(now: string, before: string): string {
  const b = BigInt(before);
  if (b === 0n) return "";
  const tenths = ((BigInt(now) - b) * 1000n) / b;
  const abs = tenths < 0n ? -tenths : tenths;
  return `${tenths < 0n ? "−" : "+"}${abs / 10n}.${abs % 10n}\u202f%`;
}

const whole = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export const count = (n: number | undefined) => whole.format(n ?? 0);
export const compact = (n: number | undefined) => short.format(n ?? 0);

/** amount shows what a limit counts, in its measure. */
export function amount(measure: string, n: string): string {
  return measure === "cost" ? usd(n) : whole.format(BigInt(n));
}

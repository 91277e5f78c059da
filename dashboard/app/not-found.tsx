import Link from "next/link";

export default function NotFound() {
  return (
    <div className="py-16 text-center">
      <h1 className="text-xl font-semibold">There is no such page</h1>
      <p className="mt-2 text-sm text-muted">It may have moved. <Link href="/" className="text-accent underline">Back to the overview</Link></p>
    </div>
  );
}

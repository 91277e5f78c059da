"use client";

import { Button } from "@/components/ui";

/** ErrorPage stands in for a page that could not be drawn; the rest of the dashboard goes on. */
export default function ErrorPage({ reset }: { error: Error; reset: () => void }) {
  return (
    <div role="alert" className="py-16 text-center">
      <h1 className="text-xl font-semibold">This page could not be drawn</h1>
      <p className="mt-2 mb-4 text-sm text-muted">The browser&apos;s console says why. Other pages work on.</p>
      <Button onClick={reset}>Try again</Button>
    </div>
  );
}

import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
import { Shell } from "@/components/shell";
import "./globals.css";

export const metadata: Metadata = { title: "SaaS-Sentinel", description: "Spend on third-party APIs", robots: "noindex" };
export const viewport: Viewport = { themeColor: [{ media: "(prefers-color-scheme: dark)", color: "#0d0f12" }, { color: "#f6f6f4" }] };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body className="font-sans antialiased"><Shell>{children}</Shell></body>
    </html>
  );
}

import type { NextConfig } from "next";

// A static export: admin serves it from the binary, on its own origin.
const config: NextConfig = {
  output: "export",
  distDir: "build",
  images: { unoptimized: true },
  poweredByHeader: false,
  generateBuildId: async () => "dashboard",
};

export default config;

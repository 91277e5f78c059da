"use client";

import dynamic from "next/dynamic";

// Charts come after the page: its figures are there before the library that draws.
const waiting = () => <div className="h-64 animate-pulse rounded bg-raised" />;

export const Stacked = dynamic(() => import("./charts").then((m) => m.Stacked), { ssr: false, loading: waiting });
export const Compared = dynamic(() => import("./charts").then((m) => m.Compared), { ssr: false, loading: waiting });
export const MonthChart = dynamic(() => import("./charts").then((m) => m.MonthChart), { ssr: false, loading: waiting });
export const BandChart = dynamic(() => import("./charts").then((m) => m.BandChart), { ssr: false, loading: waiting });
export const LatencyChart = dynamic(() => import("./charts").then((m) => m.LatencyChart), { ssr: false, loading: () => <div className="h-44 animate-pulse rounded bg-raised" /> });
export const Spark = dynamic(() => import("./charts").then((m) => m.Spark), { ssr: false, loading: () => <div className="h-14" /> });

// So does the editor, which is larger than the page.
export const Editor = dynamic(() => import("./editor").then((m) => m.Editor), { ssr: false, loading: () => <div className="h-[32rem] animate-pulse rounded bg-raised" /> });

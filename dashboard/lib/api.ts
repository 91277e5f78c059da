"use client";

import createClient from "openapi-fetch";
import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import type { components, paths } from "./api.gen";

export const api = createClient<paths>({ baseUrl: "/", credentials: "same-origin", querySerializer: { array: { style: "form", explode: true } } });

/** Each write has a key of its own: a browser that sends it again, as after a broken connection, gets the first answer. */
api.use({
  onRequest({ request }) {
    if (request.method !== "GET") request.headers.set("Idempotency-Key", uuid());
  },
});

/** uuid makes a random UUID; the browser's own function is missing where the page came by plain HTTP. */
function uuid(): string {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  return [...b].map((x) => x.toString(16).padStart(2, "0")).join("").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export type Schemas = components["schemas"];

/** Problem is a refusal of the API, in its own words. */
export class Problem extends Error {
  constructor(readonly status: number, message: string, readonly details: string[] = []) {
    super(message);
  }
}

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** unwrap gives an answer's body, or throws what the API said. */
export async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await answer;
  if (response.ok) return data as T;
  const body = (error ?? {}) as { detail?: string; errors?: { message?: string }[] };
  throw new Problem(response.status, body.detail ?? response.statusText ?? "no answer", body.errors?.map((e) => e.message ?? "") ?? []);
}

/** useApi asks once and keeps the answer fresh; keys of "ledger" are asked again when something new was booked. */
export function useApi<T>(key: readonly unknown[], ask: () => Promise<Answer<T>>, every?: number): UseQueryResult<T, Error> {
  return useQuery({ queryKey: key, queryFn: () => unwrap(ask()), placeholderData: keepPreviousData, refetchInterval: every });
}

/** useList asks for a list page by page; more is there where the last page names a next one. */
export function useList<T extends { next: string }>(key: readonly unknown[], ask: (cursor: string | undefined) => Promise<Answer<T>>, every?: number) {
  return useInfiniteQuery({
    queryKey: key, queryFn: ({ pageParam }) => unwrap(ask(pageParam || undefined)), refetchInterval: every, placeholderData: keepPreviousData,
    initialPageParam: "", getNextPageParam: (last) => last.next || undefined,
  });
}

export function useSession() {
  return useApi(["session"], () => api.GET("/api/v1/session"));
}

export function useSettings() {
  return useApi(["settings"], () => api.GET("/api/v1/settings"));
}

const ranks = ["viewer", "team-admin", "operator", "admin"];

/** useMay tells whether the signed-in role is at least role. */
export function useMay(role: string): boolean {
  const s = useSession();
  return !!s.data && ranks.indexOf(s.data.role) >= ranks.indexOf(role);
}

export function useRefresh() {
  const client = useQueryClient();
  return (...keys: string[]) => keys.forEach((k) => client.invalidateQueries({ queryKey: [k] }));
}

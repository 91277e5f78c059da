"use client";

import { useAddress } from "@/lib/url";
import { functionalUpdate, getCoreRowModel, getSortedRowModel, useReactTable, type Cell, type CellContext, type ColumnDef, type Header, type Row, type RowData, type SortingFn, type SortingState } from "@tanstack/react-table";
import { ArrowDown, ArrowUp } from "lucide-react";
import { useSyncExternalStore, type ReactNode } from "react";
import { join, Name } from "./ui";

declare module "@tanstack/react-table" {
  interface ColumnMeta<TData extends RowData, TValue> {
    right?: boolean;
    mono?: boolean;
  }
}

/** The meta of columns of figures, and of columns of names that machines read. */
export const right = { right: true }, mono = { mono: true };

/** The column of this id has what can be done to a row. No scroll to the side hides it: it stays at the edge, and on a telephone stands below the row's head. */
const actions = "actions";

const aside = (id: string) => id === actions && "sticky right-0 bg-surface after:absolute after:inset-y-0 after:left-full after:w-4 after:bg-surface"; // what is scrolled below it ends there, in the margin too

const narrow = "(width < 40rem)"; // below Tailwind's sm

function useNarrow(): boolean {
  return useSyncExternalStore((tell) => {
    const m = window.matchMedia(narrow);
    m.addEventListener("change", tell);
    return () => m.removeEventListener("change", tell);
  }, () => window.matchMedia(narrow).matches, () => false);
}

const words = new Intl.Collator("en", { numeric: true });

/** ordered compares texts as people sort them, and numbers, also those that are large, by their size. */
const ordered: SortingFn<unknown> = (a, b, column) => {
  const x = a.getValue<string | number | bigint>(column), y = b.getValue<string | number | bigint>(column);
  return typeof x === "string" && typeof y === "string" ? words.compare(x, y) : x < y ? -1 : x > y ? 1 : 0;
};

/** sortingOf reads one part of the address: a column's id, led by - where the largest comes first. What no column is called sorts nothing. */
function sortingOf(text: string | null, ids: (string | undefined)[]): SortingState {
  const desc = !!text?.startsWith("-"), id = text?.slice(desc ? 1 : 0);
  return id && ids.includes(id) ? [{ id, desc }] : [];
}

export type Context<T> = CellContext<T, unknown>;

interface Props<T> {
  columns: (ColumnDef<T> & { header: string })[];
  rows: T[];
  id: (row: T, i: number) => string;
  caption: string;
  onRow?: (row: T) => void;
  /** The part of the address that holds the order of a table that has all of its rows: the columns with a value then sort. */
  sort?: string;
  /** Rows that stay below the others in every order, such as their sum. */
  last?: (row: T) => boolean;
}

export function Table<T>({ columns, rows, id, caption, onRow, sort, last }: Props<T>) {
  const [address, set] = useAddress(), telephone = useNarrow();
  const sorting = sortingOf(sort ? address.get(sort) : null, columns.map((c) => c.id));
  const table = useReactTable<T>({
    data: rows, columns, getRowId: id, getCoreRowModel: getCoreRowModel(), getSortedRowModel: getSortedRowModel(),
    defaultColumn: { sortingFn: ordered as SortingFn<T>, sortUndefined: "last" },
    enableSorting: !!sort, enableMultiSort: false, autoResetAll: false, // the rows come anew with every answer
    state: {
      sorting, columnVisibility: { [actions]: !telephone },
      rowPinning: { top: [], bottom: rows.flatMap((r, i) => (last?.(r) ? [id(r, i)] : [])) },
    },
    onSortingChange: (next) => {
      const [by] = functionalUpdate(next, sorting);
      if (sort) set({ [sort]: by && (by.desc ? "-" : "") + by.id });
    },
  });
  return (
    <div className="-mx-4 overflow-x-auto px-4" role="region" aria-label={caption} tabIndex={0}>
      <table className="w-full border-collapse text-sm">
        <caption className="sr-only">{caption}</caption>
        <thead>
          {table.getHeaderGroups().map((g) => <tr key={g.id} className="border-b border-line text-xs text-muted">{g.headers.map((h) => <Head key={h.id} of={h} />)}</tr>)}
        </thead>
        <tbody>
          {[...table.getCenterRows(), ...table.getBottomRows()].map((r) => (
            <tr key={r.id} onClick={onRow && (() => onRow(r.original))} className={join("border-b border-line/60 last:border-0", onRow && "cursor-pointer hover:bg-raised")}>
              {r.getVisibleCells().map((c, i) => (
                <td key={c.id} className={join("max-w-80 px-2 py-2 align-top break-words first:pl-0 last:pr-0", c.column.columnDef.meta?.right && "text-right whitespace-nowrap tabular-nums", c.column.columnDef.meta?.mono && "font-mono text-xs leading-5", aside(c.column.id))}>
                  {shown(c)}
                  {i === 0 && <Below row={r} />}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const directions = { asc: "ascending", desc: "descending" } as const;

/** Head names a column; where the table sorts by it, it is a button that turns the order around, and at last takes it away. */
function Head<T>({ of: h }: { of: Header<T, unknown> }) {
  const { column } = h, name = column.columnDef.header as string, sorted = column.getIsSorted();
  const Arrow = sorted === "desc" ? ArrowDown : ArrowUp;
  return (
    <th scope="col" aria-sort={column.getCanSort() ? (sorted ? directions[sorted] : "none") : undefined} className={join("px-2 py-2 font-medium whitespace-nowrap first:pl-0 last:pr-0", column.columnDef.meta?.right ? "text-right" : "text-left", aside(column.id))}>
      {column.getCanSort() ? (
        <button type="button" onClick={column.getToggleSortingHandler()} className="-my-1 inline-flex min-h-6 cursor-pointer items-center gap-1 underline decoration-line underline-offset-4 hover:text-ink">
          {name}
          {sorted && <Arrow className="size-3" aria-hidden />}
        </button>
      ) : name}
    </th>
  );
}

/** Below has what can be done to a row while its own column is away. */
function Below<T>({ row }: { row: Row<T> }) {
  const cell = row.getAllCells().find((c) => c.column.id === actions && !c.column.getIsVisible());
  const content = cell && shown(cell);
  return content ? <div className="mt-2">{content}</div> : null;
}

/**
 * shown is what stands in a cell; plain text may be somebody else's. It calls the column's function, which flexRender would make a component of: pages
 * write their columns where they use them, and a component that is another at each answer loses the focus of its buttons.
 */
function shown<T>(of: Cell<T, unknown>): ReactNode {
  const { cell } = of.column.columnDef;
  const content: ReactNode = typeof cell === "function" ? cell(of.getContext()) : cell;
  return typeof content === "string" && content.length > 24 ? <Name>{content}</Name> : content;
}

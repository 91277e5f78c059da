"use client";

import { complete, placeOf, type Names, type Node } from "@/lib/complete";
import { autocompletion, closeBrackets, type CompletionContext } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics, type Diagnostic } from "@codemirror/lint";
import { Compartment, EditorState, Text } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";

const look = EditorView.theme({
  "&": { height: "32rem", fontSize: "12px", background: "var(--color-page)", color: "var(--color-ink)", border: "1px solid var(--color-line)", borderRadius: "6px", resize: "vertical", overflow: "hidden" },
  "&.cm-focused": { outline: "2px solid var(--color-accent)" },
  ".cm-scroller": { fontFamily: "var(--font-mono)", lineHeight: "20px" },
  ".cm-gutters": { background: "var(--color-page)", color: "var(--color-muted)", border: "none" },
  ".cm-activeLine": { background: "color-mix(in srgb, var(--color-raised) 60%, transparent)" },
  ".cm-cursor": { borderLeftColor: "var(--color-ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "color-mix(in srgb, var(--color-accent) 30%, transparent)" },
  ".cm-tooltip": { background: "var(--color-surface)", color: "var(--color-ink)", border: "1px solid var(--color-line)", borderRadius: "6px", maxWidth: "32rem" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { background: "var(--color-accent)", color: "var(--color-onaccent)" },
  ".cm-completionDetail": { fontStyle: "normal", opacity: "0.8" },
});

const colours = syntaxHighlighting(HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--color-accent)" },
  { tag: tags.comment, color: "var(--color-muted)" },
  { tag: [tags.string, tags.content], color: "var(--color-ink)" },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: "var(--color-warn)" },
]));

interface Props { label: string; value: string; change: (text: string) => void; readOnly: boolean; faults: string[]; warnings: string[]; schema?: Node; names: Names }

/** Editor is a text of YAML with what fits by its schema, and each fault at its line. */
export function Editor({ label, value, change, readOnly, faults, warnings, schema, names }: Props) {
  const box = useRef<HTMLDivElement>(null), view = useRef<EditorView>(undefined), locked = useRef(new Compartment());
  const now = useRef({ change, schema, names });
  now.current = { change, schema, names };
  useEffect(() => {
    const fits = (c: CompletionContext) => {
      const { schema, names } = now.current;
      const found = schema && complete(schema, names, c.state.sliceDoc(0, c.pos));
      if (!found || (!c.explicit && !found.written)) return null;
      return {
        from: c.pos - found.written.length, validFor: /^[^\s:,{}[\]]*$/,
        options: found.options.map((o) => ({ label: o.label, info: o.detail, type: o.key ? "property" : "constant", apply: o.key ? o.label + ": " : o.label })),
      };
    };
    const v = new EditorView({
      parent: box.current!,
      state: EditorState.create({
        doc: value,
        extensions: [
          lineNumbers(), lintGutter(), history(), drawSelection(), bracketMatching(), closeBrackets(), highlightActiveLine(), yaml(), colours, look,
          autocompletion({ override: [fits], icons: false }), keymap.of([...defaultKeymap, ...historyKeymap]),
          EditorView.updateListener.of((u) => { if (u.docChanged) now.current.change(u.state.doc.toString()); }),
          locked.current.of([]), EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", tabindex: "0" }),
        ],
      }),
    });
    view.current = v;
    return () => v.destroy();
    // The editor lives as long as the page: later values come by the effects below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [label]);
  useEffect(() => {
    view.current!.dispatch({ effects: locked.current.reconfigure([EditorState.readOnly.of(readOnly), EditorView.contentAttributes.of({ "aria-readonly": String(readOnly) })]) });
  }, [readOnly]);
  useEffect(() => {
    const v = view.current!;
    if (v.state.doc.toString() !== value) v.dispatch({ changes: { from: 0, to: v.state.doc.length, insert: value } });
  }, [value]);
  useEffect(() => {
    const v = view.current!;
    const all = [...faults.map((f) => diagnostic(v.state.doc, f, "error")), ...warnings.map((w) => diagnostic(v.state.doc, w, "warning"))];
    v.dispatch(setDiagnostics(v.state, all.filter((d) => d !== undefined)));
    v.contentDOM.setAttribute("aria-invalid", String(faults.length > 0));
  }, [faults, warnings]);
  return <div ref={box} />;
}

/** diagnostic marks the word at which a fault is. */
function diagnostic(doc: Text, fault: string, severity: "error" | "warning"): Diagnostic | undefined {
  const at = placeOf(fault);
  if (!at || at.line < 1 || at.line > doc.lines) return undefined;
  const line = doc.line(at.line), from = Math.min(line.from + Math.max(at.column - 1, 0), line.to);
  const word = /^[^\s,{}[\]]+/.exec(doc.sliceString(from, line.to));
  return { from, to: word ? from + word[0].length : line.to, severity, message: at.message };
}

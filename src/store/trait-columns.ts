/** The columns of sandboxes' settings, in every table that has them. */
import {
  type SandboxTraits,
  type SnapshotTraits,
  sandboxTraits,
  type TemplateTraits,
  type TraitKey,
  type TraitKind,
  traitKeys,
  traitKeysIn,
} from "../contract/sandbox-traits.ts";
import { type Column, flag, nullable, text, textMap, whole } from "./columns.ts";

type ColumnsOf<T> = { [K in keyof T]: Column<T[K]> };

export const sandboxTraitColumns = columnsOf(traitKeys) as ColumnsOf<SandboxTraits>;
export const snapshotTraitColumns = columnsOf(traitKeysIn("snapshot")) as ColumnsOf<SnapshotTraits>;
/** Nullable in templates, where the default applies. */
export const templateTraitColumns = columnsOf(traitKeysIn("template"), {
  mayLackValues: true,
}) as ColumnsOf<TemplateTraits>;

function columnsOf(keys: TraitKey[], { mayLackValues = false } = {}): object {
  return Object.fromEntries(
    keys.map((key) => {
      const { name, kind } = sandboxTraits[key];
      const column = columnOf(kind, name);
      const isNullable = mayLackValues && (kind === "text" || kind === "whole");
      return [key, isNullable ? nullable(column) : column];
    }),
  );
}

// biome-ignore lint/suspicious/noExplicitAny: columns of every type
function columnOf(kind: TraitKind, name: string): Column<any> {
  switch (kind) {
    case "text":
      return text(name);
    case "whole":
      return whole(name);
    case "flag":
      return flag(name);
    case "map":
      return textMap(name);
    case "optional text":
      return nullable(text(name));
    case "optional whole":
      return nullable(whole(name));
  }
}

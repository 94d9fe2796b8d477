/** Formats an entry for `file ls` and `file stat`. */
import type { Received } from "../../client/answer.ts";
import { bytesOf, hasBytes } from "../../contract/byte-text.ts";
import type { FileEntry } from "../../contract/files.ts";
import { unixTime } from "../terminal/moment.ts";
import { printable } from "../terminal/printable.ts";

export type ReceivedEntry = Received<FileEntry>;

/** Adds a path that is not UTF-8 as a shell can pass it on: `$(base64 -d <<< …)`. */
export function withBytes(entry: ReceivedEntry): ReceivedEntry & { path_base64?: string } {
  const { path } = entry;
  if (path === undefined || !hasBytes(path)) return entry;
  return { ...entry, path_base64: bytesOf(path).toString("base64") };
}

export function entryLine({
  is_dir,
  type = is_dir ? "directory" : "file",
  ...entry
}: ReceivedEntry): string {
  const letter = { file: "-", directory: "d", link: "l", other: "?" }[type] ?? "?";
  const { mode = "----", size = "-", name = "-", target } = entry;
  const arrow = target === undefined ? "" : ` -> ${printable(target)}`;
  return `${letter}${mode} ${String(size).padStart(10)} ${printable(name)}${arrow}\n`;
}

export function entryDetails({
  path,
  type,
  size,
  mode,
  uid,
  gid,
  mtime,
  target,
}: ReceivedEntry): string {
  const rows = [
    ["Path", path],
    ["Type", type],
    ["Size", size === undefined ? undefined : String(size)],
    ["Mode", mode],
    ["Owner", `${uid ?? "-"}:${gid ?? "-"}`],
    ["Modified", mtime === undefined ? undefined : unixTime(mtime)],
    ...(target === undefined ? [] : [["Target", target]]),
  ];
  return rows
    .map(([name, value]) => `${`${name}:`.padEnd(10)} ${printable(value ?? "-")}\n`)
    .join("");
}

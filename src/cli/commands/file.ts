/** `bhatti file …`: what is in a sandbox's files, and what becomes of them. */

import type { Received } from "../../client/answer.ts";
import type { Client } from "../../client/client.ts";
import { notBhatti } from "../../client/failure.ts";
import { listIn } from "../../client/json.ts";
import { bytesOf, linesOf } from "../../client/received.ts";
import type { Input } from "../../contract/all.ts";
import type { FileChange } from "../../contract/files.ts";
import { fileMode, toggle, whole } from "../arguments/flags.ts";
import { given } from "../arguments/given.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { entryDetails, entryLine, type ReceivedEntry, withBytes } from "../files/entry-text.ts";
import { forEach } from "../for-each.ts";
import { printable } from "../terminal/printable.ts";

const asRoot = toggle("Act as root instead of lohar");
const count = { min: 1, max: Number.MAX_SAFE_INTEGER };
const relative = "Relative paths start at /workspace.";

/** A path in a sandbox, as queries name it. */
function at(path: string, isRoot: boolean): { path: string; as_root?: "true" } {
  return { path, ...(isRoot && { as_root: "true" }) };
}

export const readFile = command({
  description: `Prints the file byte for byte. With --json the content is text, or base64 if it is not UTF-8.\n${relative}`,
  arguments: ["sandbox", "path"],
  byteArguments: ["path"],
  flags: {
    offset: whole("First line to print, counted from 1", { ...count, unit: "lines" }),
    limit: whole("Maximum number of lines", { ...count, unit: "lines" }),
    "max-bytes": whole("Maximum number of bytes", { ...count, unit: "bytes" }),
    "as-root": asRoot,
  },
  examples: [
    "bhatti file read dev notes.txt",
    "bhatti file read dev /var/log/app.log --offset 100 --limit 20",
  ],
  async run(context, { sandbox: ref, path, ...flags }) {
    const client = await context.client();
    const number = (name: "offset" | "limit" | "max-bytes") => flags[name]?.toString();
    const query = {
      ...at(path, flags["as-root"]),
      ...given("offset", number("offset")),
      ...given("limit", number("limit")),
      ...given("max_bytes", number("max-bytes")),
    };
    const response = await client.transfer("file.read", { params: { ref }, query });
    const size = Number(response.headers.get("x-file-size"));
    const content: Uint8Array[] = [];
    let received = 0;
    try {
      for await (const piece of bytesOf(response)) {
        received += piece.length;
        if (context.flags.json) content.push(piece);
        else await context.system.stdout.write(piece);
      }
    } catch (error) {
      const { explainCut } = await import("../files/shrunk.ts");
      const sizes = { from: Math.min(size, flags["max-bytes"] ?? size), to: received };
      throw await explainCut(error, client, { ref, ...at(path, flags["as-root"]) }, sizes);
    }
    if (context.flags.json) {
      const mode = response.headers.get("x-file-mode");
      await context.result({ ...encoded(Buffer.concat(content)), size, mode }, () => "");
    }
    context.timing?.end();
  },
});

function encoded(content: Buffer) {
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return { content: decoder.decode(content) };
  } catch {
    return { content: content.toString("base64"), encoding: "base64" };
  }
}

export const writeFile = command({
  description: `Replaces the file atomically, and creates missing parent directories. An existing file keeps its owner.\n${relative}`,
  arguments: ["sandbox", "path"],
  byteArguments: ["path"],
  flags: {
    mode: fileMode("Permission bits (default: those of the existing file, 0644 for a new one)"),
    "as-root": asRoot,
  },
  examples: [
    "bhatti file write dev notes.txt < notes.txt",
    "echo '#!/bin/sh' | bhatti file write dev run.sh --mode 0755",
  ],
  async run(context, { sandbox: ref, path, mode, "as-root": root }) {
    const { sendStdin } = await import("../files/send-stdin.ts");
    const query = { ...at(path, root), ...given("mode", mode) };
    await sayOk(context, await sendStdin(context, { params: { ref }, query }));
  },
});

export const listFiles = command({
  description: `Prints type (d, l or -), mode, size and name of each entry.\n${relative}`,
  arguments: ["sandbox", "path"],
  byteArguments: ["path"],
  flags: {
    all: toggle("List all entries, even more than 10,000"),
    "as-root": asRoot,
  },
  examples: ["bhatti file ls dev /workspace", "bhatti file ls dev . --json"],
  async run(context, { sandbox: ref, path, all, "as-root": root }) {
    const client = await context.client();
    const query = { ...at(path, root), ls: "true" as const };
    const pages = pagesOf(client, ref, query);
    const entries: ReceivedEntry[] = [];
    for await (const page of pages) {
      for (const entry of page.entries) entries.push(entry);
      if (all && page.next !== undefined) continue;
      await context.result(entries.map(withBytes), () => entries.map(entryLine).join(""));
      if (!page.truncated) return;
      const hint = page.next === undefined ? "" : "; to list all, use --all";
      await context.remark(`Listing truncated after ${entries.length} entries${hint}`);
      return;
    }
  },
});

interface Page {
  entries: ReceivedEntry[];
  truncated: boolean;
  next: string | undefined;
}

async function* pagesOf(
  client: Client,
  ref: string,
  query: Input<"file.read">["query"],
): AsyncGenerator<Page, undefined> {
  let next: string | undefined;
  do {
    const page = { ...query, ...given("after", next) };
    const response = await client.transfer("file.read", { params: { ref }, query: page });
    const { headers } = response;
    next = headers.get("x-bhatti-next") ?? undefined;
    const truncated = headers.get("x-bhatti-truncated") === "true";
    yield { entries: await entriesOf(response, client.url), truncated, next };
  } while (next !== undefined);
}

async function entriesOf(response: Response, url: string): Promise<ReceivedEntry[]> {
  const entries = listIn(await response.text());
  if (!entries) throw notBhatti(url, response);
  return entries;
}

export const statFile = command({
  description: relative,
  arguments: ["sandbox", "path"],
  byteArguments: ["path"],
  flags: {
    "no-follow": toggle("Show a symbolic link instead of its target"),
    "as-root": asRoot,
  },
  examples: ["bhatti file stat dev notes.txt"],
  async run(context, { sandbox: ref, path, "no-follow": noFollow, "as-root": root }) {
    const client = await context.client();
    const query = { ...at(path, root), ...(noFollow && { follow: "false" as const }) };
    const { result } = await client.call("file.stat", { params: { ref }, query });
    await context.result(withBytes(result), () => entryDetails(result));
  },
});

export const makeDirectory = command({
  description: relative,
  arguments: ["sandbox"],
  rest: "path",
  byteArguments: ["path"],
  flags: {
    parents: toggle("Create parent directories; no error if it exists", { short: "p" }),
    mode: fileMode("Permission bits (default 0755)"),
    "as-root": asRoot,
  },
  examples: ["bhatti file mkdir dev a/b/c -p"],
  async run(context, { sandbox: ref, path: names, parents, mode, "as-root": as_root }) {
    const client = await context.client();
    return await forEach(context, { word: "path", names }, async (path) => {
      const body = { path, parents, as_root, ...given("mode", mode) };
      const { result } = await client.call("file.mkdir", { params: { ref }, body });
      return { value: result, text: "ok\n" };
    });
  },
});

export const removeFile = command({
  description: `Removes a symbolic link, not its target. Does not ask for confirmation.\n${relative}`,
  arguments: ["sandbox"],
  rest: "path",
  byteArguments: ["path"],
  flags: {
    recursive: toggle("Remove directories and their contents", { short: "r" }),
    "as-root": asRoot,
  },
  examples: ["bhatti file rm dev notes.txt", "bhatti file rm dev build -r"],
  async run(context, { sandbox: ref, path: names, recursive, "as-root": root }) {
    const client = await context.client();
    return await forEach(context, { word: "path", names }, async (path) => {
      const query = { ...at(path, root), ...(recursive && { recursive: "true" as const }) };
      const { result } = await client.call("file.remove", { params: { ref }, query });
      return { value: result, text: "ok\n" };
    });
  },
});

export const moveFile = command({
  description: `Moves into <to> if it is a directory; replaces <to> if it is a file.\n${relative}`,
  arguments: ["sandbox", "from", "to"],
  byteArguments: ["from", "to"],
  flags: { "as-root": asRoot },
  examples: ["bhatti file mv dev draft.txt final.txt"],
  async run(context, { sandbox: ref, from, to, "as-root": as_root }) {
    const client = await context.client();
    const body: Input<"file.move">["body"] = { from, to, as_root };
    await sayOk(context, (await client.call("file.move", { params: { ref }, body })).result);
  },
});

export const copyFile = command({
  description: `Copies into <to> if it is a directory; replaces <to> if it is a file.\n${relative}`,
  arguments: ["sandbox", "from", "to"],
  byteArguments: ["from", "to"],
  flags: {
    recursive: toggle("Copy directories and their contents", { short: "r" }),
    "as-root": asRoot,
  },
  examples: ["bhatti file cp dev config.json config.bak", "bhatti file cp dev src copy -r"],
  async run(context, { sandbox: ref, from, to, recursive, "as-root": as_root }) {
    const client = await context.client();
    const body = { from, to, recursive, as_root };
    await sayOk(context, (await client.call("file.copy", { params: { ref }, body })).result);
  },
});

export const watchFiles = command({
  description: `Prints a line for each change until Ctrl+C; with --json, a JSON object per line.\n${relative}`,
  arguments: ["sandbox", "path"],
  byteArguments: ["path"],
  flags: {
    recursive: toggle("Watch subdirectories too", { short: "r" }),
    "as-root": asRoot,
  },
  examples: ["bhatti file watch dev /workspace -r"],
  async run(context, { sandbox: ref, path, recursive, "as-root": root }) {
    const client = await context.client();
    const query = { ...at(path, root), ...(recursive && { recursive: "true" as const }) };
    const response = await client.transfer("file.watch", { params: { ref }, query });
    for await (const change of linesOf<FileChange>(response)) {
      const words = context.flags.json ? JSON.stringify(change) : changeText(change);
      await context.system.stdout.write(`${words}\n`);
    }
  },
});

function changeText({ type, path = "-", from, is_dir }: Received<FileChange>): string {
  const slash = is_dir ? "/" : "";
  if (type === "overflow") return `overflow ${printable(path)} (some changes were lost)`;
  if (from !== undefined) return `${type} ${printable(from)} -> ${printable(path)}${slash}`;
  return `${type} ${printable(path)}${slash}`;
}

async function sayOk(context: Context, result: unknown): Promise<void> {
  await context.result(result, () => "ok\n");
}

/** What the guest says about files, parsed at the edge. */
import { z } from "zod";
import type { FileChange, FileEntry, TransferResult } from "./guest-files.ts";
import { count } from "./messages.ts";

/** In characters, of which the kernel's limits in bytes leave no more: a byte that is not UTF-8 takes three. */
const name = z.string().max(765);
const path = z.string().max(16_384);
const target = z.string().max(12_288).optional();
const mode = z
  .string()
  .regex(/^[0-7]{4}$/)
  .transform((text) => Number.parseInt(text, 8));

/** Where a page of a list ended: the guest's business, and short. */
const cursor = z.string().regex(/^([0-9a-f]{2}){1,255}$/);

export const openedFileMessage = z
  .object({ size: count, mode, mtime_ms: z.number().int(), bytes: count.optional() })
  .transform((raw) => ({
    size: raw.size,
    mode: raw.mode,
    mtimeMs: raw.mtime_ms,
    ...(raw.bytes !== undefined && { bytes: raw.bytes }),
  }));

export const readMessage = z.object({ bytes: count, truncated: z.boolean() });

/** An agent of an earlier version tells no path here, but whole entries. */
export const openedListMessage = z.object({ path: path.default("") });

export const listedMessage = z
  .object({ entries: count, truncated: z.boolean(), next: cursor.optional() })
  .transform(({ truncated, next }) => ({ truncated, ...(next !== undefined && { next }) }));

const kind = z.enum(["file", "directory", "link", "other"]);

/** In the order of the words in `entryMessage`; its path is the list's and its name. */
const entryValues = z
  .tuple([name, kind, count, count, z.number().int(), count, count, target])
  .transform(([name, type, size, mode, mtimeMs, uid, gid, target]) => {
    const known = { name, type, size, mode, mtimeMs, uid, gid };
    return target === undefined ? known : { ...known, target };
  });

export const entryMessage = z
  .object({
    name,
    path,
    type: kind,
    size: count,
    mode,
    mtime_ms: z.number().int(),
    uid: count,
    gid: count,
    target,
  })
  .transform((raw): FileEntry => {
    const { mtime_ms, target, ...rest } = raw;
    return { ...rest, mtimeMs: mtime_ms, ...(target !== undefined && { target }) };
  });

/** One of many. */
export const entryLine = z.union([entryValues, entryMessage]);

export const transferMessage: z.ZodType<TransferResult> = z.object({
  entries: count,
  bytes: count,
  skipped: count,
});

export const changeMessage = z
  .object({
    type: z.enum(["created", "modified", "deleted", "moved", "overflow"]),
    path,
    from: path.optional(),
    is_dir: z.boolean(),
  })
  .transform((raw): FileChange => {
    const { is_dir, from, ...rest } = raw;
    return { ...rest, isDirectory: is_dir, ...(from !== undefined && { from }) };
  });

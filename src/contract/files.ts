/** The file endpoints. Whoever asks acts as the sandbox's user, uid 1000, unless root is asked for. */
import { z } from "zod";
import { endpoint } from "./endpoint.ts";
import { Flag, KernelText, SandboxRef } from "./names.ts";
import { wakeErrors } from "./sandboxes.ts";

const Path = KernelText.min(1, { error: "must not be empty" }).max(4095, {
  error: "must be shorter than 4096 bytes",
});
/** In a query, where 0 is not set as elsewhere. */
const count = z
  .string()
  .regex(/^\d{1,15}$/, { error: "must be a whole number from 1" })
  .transform((digits) => Number(digits) || undefined);
const Mode = z
  .string()
  .regex(/^0?[0-7]{3,4}$/, { error: "must be octal permission bits such as 0644" });

const at = {
  path: Path.describe("Absolute, or relative to /workspace"),
  as_root: Flag.describe("With root's rights instead of the user's"),
};
const bodyAt = {
  as_root: z.boolean().default(false).describe("With root's rights instead of the user's"),
};

export const FileEntry = z.object({
  name: z.string(),
  path: z.string(),
  type: z.enum(["file", "directory", "link", "other"]),
  is_dir: z.boolean(),
  size: z.int(),
  mode: z.string().describe("Octal, such as 0644"),
  mtime: z.int().describe("Unix time, seconds"),
  uid: z.int(),
  gid: z.int(),
  target: z.string().optional().describe("Where a link leads"),
});
export type FileEntry = z.infer<typeof FileEntry>;

export const FileChange = z.object({
  type: z.enum(["created", "modified", "deleted", "moved", "overflow"]),
  path: z.string(),
  from: z.string().optional().describe("Of one that was moved"),
  is_dir: z.boolean(),
});
export type FileChange = z.infer<typeof FileChange>;

export const Transferred = z.object({
  entries: z.int(),
  bytes: z.int(),
  skipped: z.int().optional().describe("Neither files nor directories nor links; none when absent"),
});
export type Transferred = z.infer<typeof Transferred>;

const pathErrors = [
  "sandbox_not_found",
  "path_not_found",
  "not_directory",
  "permission_denied",
  "unsafe_path",
  "guest_busy",
  "guest_failed",
  ...wakeErrors,
] as const;

const done = z.object({ status: z.literal("ok") });

export const fileEndpoints = {
  "file.read": endpoint("file.read", {
    summary:
      "A file's bytes, or with ls=true a directory's entries as JSON. X-File-Size is the whole file's; Content-Length is there when nothing is left out and it is short. HEAD answers with X-File-Size, X-File-Mode and X-File-IsDir alone",
    params: SandboxRef,
    query: z.object({
      ...at,
      ls: Flag.describe(
        "List a directory by name: at most 10,000 entries and about 4 MiB. When there are more, X-Bhatti-Truncated is true and X-Bhatti-Next is the `after` of the next page",
      ),
      after: z
        .string()
        .regex(/^([0-9a-f]{2}){1,255}$/, { error: "must be the X-Bhatti-Next of a list" })
        .optional()
        .describe("With ls: the X-Bhatti-Next of the page before"),
      offset: count.optional().describe("First line, from 1"),
      limit: count.optional().describe("Lines"),
      max_bytes: count.optional().describe("Bytes; whichever limit comes first ends it"),
    }),
    result: z.union([z.string(), z.array(FileEntry)]),
    errors: [...pathErrors, "is_directory"],
  }),
  "file.write": endpoint("file.write", {
    summary:
      "Replace a file in one step with the request's body (Content-Length required, at most 100 MB); its directories are made",
    params: SandboxRef,
    query: z.object({ ...at, mode: Mode.optional().describe("0644 when absent") }),
    result: done,
    errors: [...pathErrors, "is_directory", "file_too_large"],
  }),
  "file.remove": endpoint("file.remove", {
    summary: "Remove a file, a link, or a directory: one that is not empty with recursive=true",
    params: SandboxRef,
    query: z.object({ ...at, recursive: Flag }),
    result: done,
    errors: [...pathErrors, "directory_not_empty"],
  }),
  "file.stat": endpoint("file.stat", {
    summary: "What there is at a path; of a link what it leads to unless follow=false",
    params: SandboxRef,
    query: z.object({ ...at, follow: Flag }),
    result: FileEntry,
    errors: pathErrors,
  }),
  "file.mkdir": endpoint("file.mkdir", {
    summary: "Make a directory; with parents also those above it, and one that exists is no error",
    params: SandboxRef,
    body: z.strictObject({
      path: Path,
      parents: z.boolean().default(false),
      mode: Mode.optional().describe("0755 when absent"),
      ...bodyAt,
    }),
    result: done,
    status: 201,
    errors: [...pathErrors, "path_exists"],
  }),
  "file.move": endpoint("file.move", {
    summary: "Move or rename; into `to` when that is a directory, in place of it when it is a file",
    params: SandboxRef,
    body: z.strictObject({ from: Path, to: Path, ...bodyAt }),
    result: done,
    errors: [...pathErrors, "is_directory", "path_exists", "directory_not_empty"],
  }),
  "file.copy": endpoint("file.copy", {
    summary: "Copy a file, or with recursive a directory; `to` as when moving",
    params: SandboxRef,
    body: z.strictObject({
      from: Path,
      to: Path,
      recursive: z.boolean().default(false),
      ...bodyAt,
    }),
    result: done,
    errors: [...pathErrors, "is_directory", "path_exists"],
  }),
  "file.pull": endpoint("file.pull", {
    summary: "A directory's content, or one file, as a tar stream",
    params: SandboxRef,
    query: z.object(at),
    result: z.string(),
    resultType: "application/x-tar",
    errors: pathErrors,
  }),
  "file.push": endpoint("file.push", {
    summary:
      "Unpack the request's body, a tar stream of any length, into a directory, which is made when it lacks. Nothing is written outside of it",
    params: SandboxRef,
    query: z.object(at),
    result: Transferred,
    errors: [...pathErrors, "path_exists", "bad_request"],
  }),
  "file.watch": endpoint("file.watch", {
    summary:
      "Changes at a path as they happen, one JSON object a line, until the client goes. An empty line says that it watches; a last line of type error why it ended",
    params: SandboxRef,
    query: z.object({ ...at, recursive: Flag }),
    result: FileChange,
    resultType: "application/x-ndjson",
    errors: pathErrors,
  }),
};

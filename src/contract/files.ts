/** The file endpoints. Whoever asks acts as the sandbox's user, uid 1000, unless root is asked for. */
import { z } from "zod";
import { Done } from "./acknowledgements.ts";
import { endpoint } from "./endpoint.ts";
import { ByteText, Flag, SandboxRef } from "./names.ts";
import { pathErrors, wakeErrors, wakeHeaders } from "./sandboxes.ts";

const Path = ByteText.min(1, { error: "must not be empty" }).max(4095, {
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
  path: Path.describe("Absolute path, or relative to /workspace"),
  as_root: Flag.describe("Act as root instead of lohar"),
};
const bodyAt = {
  as_root: z.boolean().default(false).describe("Act as root instead of lohar"),
};

export const FileEntry = z.object({
  name: z.string(),
  path: z.string(),
  type: z.enum(["file", "directory", "link", "other"]),
  is_dir: z.boolean(),
  size: z.int(),
  mode: z.string().describe("Octal permission bits, such as 0644"),
  mtime: z.int().describe("Unix time, seconds"),
  uid: z.int(),
  gid: z.int(),
  target: z.string().optional().describe("Target of a symbolic link"),
});
export type FileEntry = z.infer<typeof FileEntry>;

export const FileChange = z.object({
  type: z.enum(["created", "modified", "deleted", "moved", "overflow"]),
  path: z.string(),
  from: z.string().optional().describe("Previous path, for type moved"),
  is_dir: z.boolean(),
});
export type FileChange = z.infer<typeof FileChange>;

export const Transferred = z.object({
  entries: z.int(),
  bytes: z.int(),
  skipped: z.int().optional().describe("Number of special files that were skipped; absent: none"),
});
export type Transferred = z.infer<typeof Transferred>;

const fileErrors = ["sandbox_not_found", ...pathErrors, ...wakeErrors] as const;

const fileHeaders = {
  "X-File-Size": "Size of the whole file in bytes",
  "X-File-Mode": "Octal permission bits, such as 0644",
  "X-File-IsDir": "Whether it is a directory",
};

export const MakeDirectory = z.strictObject({
  path: Path,
  parents: z
    .boolean()
    .default(false)
    .describe("Create missing parent directories; no error if the directory exists"),
  mode: Mode.optional().describe("Permission bits; default: 0755"),
  ...bodyAt,
});
export const MoveFile = z.strictObject({ from: Path, to: Path, ...bodyAt });
export const CopyFile = z.strictObject({
  from: Path,
  to: Path,
  recursive: z.boolean().default(false).describe("Copy a directory with its contents"),
  ...bodyAt,
});

export const fileEndpoints = {
  "file.read": endpoint("file.read", {
    summary: "Read a file, or list a directory",
    description:
      "Returns the bytes of a file, or with ls=true the entries of a directory as JSON. X-File-Size is the size of the whole file; Content-Length is present for short files read to the end. HEAD returns X-File-Size, X-File-Mode and X-File-IsDir only.",
    params: SandboxRef,
    query: z.object({
      ...at,
      ls: Flag.describe(
        "List a directory, sorted by name, in pages of at most 10,000 entries and about 4 MiB. If there are more, X-Bhatti-Truncated is true and X-Bhatti-Next is the `after` of the next page",
      ),
      after: z
        .string()
        .regex(/^([0-9a-f]{2}){1,255}$/, { error: "must be the X-Bhatti-Next of an earlier page" })
        .optional()
        .describe("With ls: X-Bhatti-Next of the previous page"),
      offset: count.optional().describe("First line to return, counted from 1"),
      limit: count.optional().describe("Maximum number of lines"),
      max_bytes: count.optional().describe("Maximum number of bytes"),
    }),
    result: z.union([z.string(), z.array(FileEntry)]),
    resultType: "application/octet-stream",
    alsoResults: { "application/json": z.array(FileEntry) },
    headers: {
      ...fileHeaders,
      ...wakeHeaders,
      "X-Bhatti-Truncated": "With ls: whether there are more entries",
      "X-Bhatti-Next": "With ls: the `after` of the next page, if there is one",
    },
    headHeaders: { ...fileHeaders, ...wakeHeaders },
    errors: [...fileErrors, "is_directory", "file_changed"],
  }),
  "file.write": endpoint("file.write", {
    summary: "Write a file",
    description:
      "Replaces the file atomically with the request body, of at most 100 MB, and creates missing parent directories. An existing file keeps its owner. Content-Length is required.",
    params: SandboxRef,
    query: z.object({
      ...at,
      mode: Mode.optional().describe(
        "Permission bits; default: those of the existing file, 0644 for a new one",
      ),
    }),
    bodyType: "application/octet-stream",
    result: Done,
    headers: wakeHeaders,
    errors: [...fileErrors, "is_directory", "file_too_large"],
  }),
  "file.remove": endpoint("file.remove", {
    summary: "Remove a file, a symbolic link or a directory",
    params: SandboxRef,
    query: z.object({
      ...at,
      recursive: Flag.describe("true: remove a directory with its contents"),
    }),
    result: Done,
    headers: wakeHeaders,
    errors: [...fileErrors, "directory_not_empty"],
  }),
  "file.stat": endpoint("file.stat", {
    summary: "Show type, size, mode and owner of a path",
    params: SandboxRef,
    query: z.object({
      ...at,
      follow: Flag.describe("false: describe a symbolic link instead of its target"),
    }),
    result: FileEntry,
    headers: wakeHeaders,
    errors: fileErrors,
  }),
  "file.mkdir": endpoint("file.mkdir", {
    summary: "Create a directory",
    params: SandboxRef,
    body: MakeDirectory,
    result: Done,
    status: 201,
    headers: wakeHeaders,
    errors: [...fileErrors, "path_exists"],
  }),
  "file.move": endpoint("file.move", {
    summary: "Move or rename a file or directory",
    description: "Moves into `to` if it is a directory, and replaces it if it is a file.",
    params: SandboxRef,
    body: MoveFile,
    result: Done,
    headers: wakeHeaders,
    errors: [...fileErrors, "is_directory", "path_exists", "directory_not_empty"],
  }),
  "file.copy": endpoint("file.copy", {
    summary: "Copy a file or directory",
    description: "Copies into `to` if it is a directory, and replaces it if it is a file.",
    params: SandboxRef,
    body: CopyFile,
    result: Done,
    headers: wakeHeaders,
    errors: [...fileErrors, "is_directory", "path_exists"],
  }),
  "file.pull": endpoint("file.pull", {
    summary: "Download a file or the contents of a directory as a tar stream",
    description:
      "If a file of a directory is truncated meanwhile, the rest of it is NULs, and the stream ends with an invalid header.",
    params: SandboxRef,
    query: z.object({
      ...at,
      sparse: Flag.describe("Leave out holes of files, as GNU tar's pax format 1.0 does"),
    }),
    result: z.string(),
    resultType: "application/x-tar",
    headers: wakeHeaders,
    errors: [...fileErrors, "file_changed"],
  }),
  "file.push": endpoint("file.push", {
    summary: "Upload and extract a tar stream into a directory",
    description:
      "Creates the directory if needed, and never writes outside it. The stream may have any length.",
    params: SandboxRef,
    query: z.object(at),
    bodyType: "application/x-tar",
    result: Transferred,
    headers: wakeHeaders,
    errors: [...fileErrors, "path_exists", "bad_request"],
  }),
  "file.watch": endpoint("file.watch", {
    summary: "Watch a path for changes",
    description:
      "Streams one JSON object per line until the client disconnects. An empty line confirms that the watch has started; a last line of type error says why it ended.",
    params: SandboxRef,
    query: z.object({ ...at, recursive: Flag.describe("true: watch subdirectories too") }),
    result: FileChange,
    resultType: "application/x-ndjson",
    headers: wakeHeaders,
    errors: fileErrors,
  }),
};

/** What this machine's file system refuses, in words for whoever named the path. */
import { BhattiError } from "../../errors/bhatti-error.ts";

/** Throws bad_usage for what the file system throws. */
export function reading<T>(path: Buffer | string, work: () => T): T {
  return explained("read", path, readingReasons, work);
}

/** Throws bad_usage for what the file system throws. */
export function writing<T>(path: Buffer | string, work: () => T): T {
  return explained("write", path, writingReasons, work);
}

type Reasons = Readonly<Record<string, string>>;

function explained<T>(verb: string, path: Buffer | string, reasons: Reasons, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const { code = "" } = cause as NodeJS.ErrnoException;
    const reason = reasons[code] ?? (code || String(cause));
    throw new BhattiError("bad_usage", `cannot ${verb} "${path}": ${reason}`, { cause });
  }
}

const common: Reasons = {
  EACCES: "permission denied",
  ENOTDIR: "a part of the path is no directory",
};

const readingReasons: Reasons = {
  ...common,
  ENOENT: "no such file or directory",
  ELOOP: "it became a link while it was read",
};

const writingReasons: Reasons = {
  ...common,
  ENOENT: "no such directory",
  EPERM: "not permitted",
  ENOSPC: "no space left on this machine",
  EISDIR: "it is a directory here, and a file there",
  EEXIST: "it exists, and is no directory",
  EROFS: "the file system is read-only",
};

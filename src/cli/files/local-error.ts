/** Errors of the local file system; their messages name the local side, as sandboxes have disks of their own. */
import { textOf } from "../../contract/byte-text.ts";
import { BhattiError, messageOf } from "../../errors/bhatti-error.ts";

/** Throws local_io for what the file system throws. */
export function reading<T>(path: Buffer | string, work: () => T): T {
  return explained(`cannot read "${textOfPath(path)}"`, readingReasons, work);
}

/** Throws local_io for what the file system throws. */
export function writing<T>(path: Buffer | string, work: () => T): T {
  return explained(`cannot write "${textOfPath(path)}"`, writingReasons, work);
}

/** `what` failed, such as `cannot write to standard output`, for the reason that the kernel gave. */
export function localError(what: string, cause: unknown, reasons: Reasons = {}): BhattiError {
  const { code = "" } = cause as NodeJS.ErrnoException;
  return new LocalError(what, reasons[code] ?? strerror(cause), cause);
}

/** An error of the local file system with its reason alone, such as `Permission denied`. */
export class LocalError extends BhattiError {
  readonly reason: string;

  constructor(what: string, reason: string, cause?: unknown) {
    super("local_io", `${what}: ${reason}`, { cause });
    this.reason = reason;
  }
}

function textOfPath(path: Buffer | string): string {
  return typeof path === "string" ? path : textOf(path);
}

type Reasons = Readonly<Record<string, string>>;

function explained<T>(what: string, reasons: Reasons, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw localError(what, cause, reasons);
  }
}

/** The runtime's messages are such as `ENOSPC: no space left on device, write`. */
function strerror(cause: unknown): string {
  const message = messageOf(cause);
  const text = /^[A-Z][A-Z0-9]+: ([^,]+)/.exec(message)?.[1] ?? message;
  if (text === "i/o error") return "I/O error";
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const readingReasons: Reasons = {
  ELOOP: "Replaced by a symbolic link during the copy",
};

const writingReasons: Reasons = {
  EISDIR: "A directory locally, a file in the sandbox",
  EEXIST: "Exists and is not a directory",
};

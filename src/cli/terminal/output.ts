/** Writes to a descriptor of ours: every byte once and in order, at its reader's pace. */
import { localError } from "../files/local-error.ts";
import { type Output, OutputClosed } from "../system.ts";

export interface Descriptor {
  /** As write(2): resolves with how many bytes were taken, rejects with the kernel's error. */
  write(bytes: Uint8Array): Promise<number>;
  /** Polls: the runtime has no event for a non-blocking descriptor that becomes writable. */
  pause(milliseconds: number): Promise<void>;
}

const firstPauseMs = 1;
const longestPauseMs = 16;

export async function writeAll(descriptor: Descriptor, bytes: Uint8Array): Promise<void> {
  let wait = firstPauseMs;
  for (let at = 0; at < bytes.length; ) {
    const count = await descriptor.write(bytes.subarray(at)).catch(orNothing);
    at += count;
    if (count > 0) wait = firstPauseMs;
    else {
      await descriptor.pause(wait);
      wait = Math.min(wait * 2, longestPauseMs);
    }
  }
}

const passing = ["EAGAIN", "EINTR"];

function orNothing(error: NodeJS.ErrnoException): number {
  if (passing.includes(error.code ?? "")) return 0;
  throw error;
}

/** Throws OutputClosed if its reader is gone, local_io for other errors. `name` is such as `standard output`. */
export function openOutput(number: number, name: string): Output {
  let opened: Promise<StandardDescriptor> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const write = async (data: string | Uint8Array) => {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    opened ??= openStandard(number);
    const descriptor = await opened;
    try {
      await writeAll(descriptor, bytes);
    } catch (cause) {
      throw descriptor.hasNoReader(cause)
        ? new OutputClosed("the output is closed", { cause })
        : localError(`cannot write to ${name}`, cause);
    }
  };
  return {
    prepare() {
      opened ??= openStandard(number);
    },
    write(data) {
      if (data.length === 0) return Promise.resolve();
      const written = last.then(() => write(data));
      last = written.catch(() => {}); // the writer sees the error
      return written;
    },
  };
}

/** Writes block in threads, so that signals and pings are handled meanwhile. */
export async function descriptorOf(number: number): Promise<Descriptor> {
  const { fstat, write } = await import("node:fs");
  fstat(number, () => {}); // starts the threads
  return {
    write(bytes) {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      const done = (error: Error | null, count: number) => (error ? reject(error) : resolve(count));
      write(number, bytes, 0, bytes.length, null, done);
      return promise;
    },
    pause: (milliseconds) => Bun.sleep(milliseconds),
  };
}

interface StandardDescriptor extends Descriptor {
  hasNoReader(error: unknown): boolean;
}

async function openStandard(number: number): Promise<StandardDescriptor> {
  const { fstatSync, readFileSync } = await import("node:fs");
  const wasClosed = isPlaceholder(() => readFileSync(`/proc/self/fdinfo/${number}`, "utf8"));
  const descriptor = await descriptorOf(number);
  return {
    ...descriptor,
    ...(wasClosed && { write: () => Promise.reject(badDescriptor()) }),
    hasNoReader(error) {
      const { code } = error as NodeJS.ErrnoException;
      // Also the error of a closed terminal window and of a broken disk.
      return code === "EPIPE" || (code === "EIO" && fstatSync(number).isCharacterDevice());
    },
  };
}

const closeOnExec = 0o2000000;

/**
 * A descriptor that was closed when we were started is /dev/null, which the runtime has opened close-on-exec: one that
 * is inherited is not.
 */
function isPlaceholder(info: () => string): boolean {
  try {
    const [, flags = "0"] = /^flags:\s*(\d+)/m.exec(info()) ?? [];
    return (Number.parseInt(flags, 8) & closeOnExec) !== 0;
  } catch {
    return false; // such as where there is no /proc
  }
}

function badDescriptor(): Error {
  return Object.assign(new Error("EBADF: bad file descriptor, write"), { code: "EBADF" });
}

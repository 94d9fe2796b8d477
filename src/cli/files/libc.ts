/** Calls of the C library that the runtime lacks: holes of files, and times in nanoseconds. */
import { dlopen, ptr } from "bun:ffi";

const seekData = 3;
const seekHole = 4;
const atCurrentDirectory = -100;
const noFollow = 0x100;
/** Instead of nanoseconds: leaves a time as it is. */
const omitted = 0x3fff_fffen;
const second = 1_000_000_000n;

let opened: ReturnType<typeof open> | undefined;

/** Undefined on systems with another name of the library, where files are copied without holes. */
function open() {
  try {
    return dlopen("libc.so.6", {
      lseek: { args: ["i32", "i64", "i32"], returns: "i64" },
      futimens: { args: ["i32", "ptr"], returns: "i32" },
      utimensat: { args: ["i32", "ptr", "ptr", "i32"], returns: "i32" },
    } as const).symbols;
  } catch {
    return undefined;
  }
}

export function knowsHoles(descriptor: number): boolean {
  opened ??= open();
  return opened !== undefined && Number(opened.lseek(descriptor, 0, seekHole)) >= 0;
}

/** Where the next data begins and ends; undefined when there is no more. */
export function nextData(
  descriptor: number,
  from: number,
): { start: number; end: number } | undefined {
  opened ??= open();
  if (!opened) return undefined;
  const start = Number(opened.lseek(descriptor, from, seekData));
  const end = start < 0 ? -1 : Number(opened.lseek(descriptor, start, seekHole));
  return end < 0 ? undefined : { start, end };
}

/** Of an open file, or of a name, which is not followed. False when that is not possible. */
export function setModified(target: number | Buffer, nanoseconds: bigint): boolean {
  opened ??= open();
  if (!opened) return false;
  const part = ((nanoseconds % second) + second) % second;
  const times = new BigInt64Array([0n, omitted, (nanoseconds - part) / second, part]);
  if (typeof target === "number") return opened.futimens(target, ptr(times)) === 0;
  const path = Buffer.concat([target, Buffer.alloc(1)]);
  return opened.utimensat(atCurrentDirectory, ptr(path), ptr(times), noFollow) === 0;
}

/** Reads the own command line as bytes: the runtime replaces invalid UTF-8 by U+FFFD. */
import { textOf } from "../contract/byte-text.ts";
import { UsageError } from "./usage-error.ts";

const replaced = "\uFFFD";

/** `decoded` as the runtime gives them; the result may hold bytes (`byte-text.ts`). */
export async function ownWords(decoded: readonly string[]): Promise<string[]> {
  if (!decoded.some((word) => word.includes(replaced))) return [...decoded];
  const line = await bytesOfFile("/proc/self/cmdline");
  // The first words are the program, and the runtime if it runs from source.
  return line ? wordsIn(line).slice(-decoded.length).map(textOf) : [...decoded];
}

/** Returns the value of a local environment variable. Throws UsageError if it is not UTF-8. */
export async function ownVariable(name: string, decoded: string): Promise<string> {
  if (!decoded.includes(replaced)) return decoded;
  const environment = await bytesOfFile("/proc/self/environ");
  const pairs = environment ? wordsIn(environment) : [];
  const written = Buffer.from(`${name}=${decoded}`);
  if (pairs.some((pair) => written.equals(pair))) return decoded;
  throw new UsageError(`the value of ${name} is not UTF-8`);
}

function wordsIn(bytes: Buffer): Buffer[] {
  const words: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    words.push(bytes.subarray(at, end < 0 ? bytes.length : end));
    at = end < 0 ? bytes.length : end + 1;
  }
  return words;
}

async function bytesOfFile(path: string): Promise<Buffer | undefined> {
  try {
    return Buffer.from(await Bun.file(path).bytes());
  } catch {
    return undefined; // such as where there is no /proc
  }
}

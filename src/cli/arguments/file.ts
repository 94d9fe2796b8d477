/** `--file local:guest`: read here, written there. */
import { localError } from "../files/local-error.ts";
import { badFlag } from "./flags.ts";

export interface GuestFile {
  guest_path: string;
  /** Base64. */
  content: string;
  mode: string;
}

export async function readFiles(pairs: readonly string[]): Promise<GuestFile[] | undefined> {
  if (pairs.length === 0) return undefined;
  return await Promise.all(pairs.flatMap(splitPairs).map(readFile));
}

/** A comma separates pairs, unless what follows it is no pair: then it is part of a path. */
function splitPairs(written: string): string[] {
  const pieces = written.split(",");
  return pieces.every((piece) => piece.includes(":/")) ? pieces : [written];
}

async function readFile(pair: string): Promise<GuestFile> {
  const at = pair.lastIndexOf(":");
  const [local, guest] = [pair.slice(0, at), pair.slice(at + 1)];
  if (at < 1 || !guest.startsWith("/")) {
    throw badFlag("file", `must be local:guest with an absolute guest path, got "${pair}"`);
  }
  const file = Bun.file(local);
  const [bytes, { mode }] = await Promise.all([file.bytes(), file.stat()]).catch(
    (cause: unknown) => {
      throw localError(`--file cannot read "${local}"`, cause);
    },
  );
  const isExecutable = (mode & 0o111) !== 0;
  return {
    guest_path: guest,
    content: bytes.toBase64(),
    mode: isExecutable ? "0755" : "0644",
  };
}

/** Where a daemon keeps its sockets: a short path of its own, because a socket's path ends at 107 bytes. */
import { lstat, mkdir } from "node:fs/promises";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { System } from "./system.ts";

/** Makes the directory of the daemon with this data directory; only its owner can look into it. */
export async function runtimeDirectory(
  { env, userId }: Pick<System, "env" | "userId">,
  dataDir: string,
): Promise<string> {
  const base = userId === 0 ? "/run/bhatti" : (env["XDG_RUNTIME_DIR"] ?? `/tmp/bhatti-${userId}`);
  const own = new Bun.CryptoHasher("sha256").update(dataDir).digest("hex").slice(0, 8);
  const path = base.endsWith("bhatti") || userId === 0 ? `${base}/${own}` : `${base}/bhatti/${own}`;
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new BhattiError("host_unfit", `cannot make ${path} for the daemon's sockets`, { cause });
  }
  // In /tmp anybody could have made it first.
  for (const one of [base, path]) {
    const { uid, mode } = await lstat(one);
    if (uid !== userId || (mode & 0o022) !== 0) {
      throw new BhattiError("host_unfit", `${one} belongs to somebody else or is open to others`, {
        hint: "Remove it, or set XDG_RUNTIME_DIR to a directory of your own",
      });
    }
  }
  return path;
}

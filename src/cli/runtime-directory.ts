/** The folder for daemons' sockets: a short path, because a socket's path ends at 107 bytes. */
import { chmod, lstat, mkdir } from "node:fs/promises";
import { BhattiError } from "../errors/bhatti-error.ts";
import type { System } from "./system.ts";

/** Makes the folder, which only its owner can look into. Each engine has one of its own in it. */
export async function runtimeDirectory({
  env,
  userId,
}: Pick<System, "env" | "userId">): Promise<string> {
  const path = pathFor(env, userId);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new BhattiError("host_unfit", `cannot create ${path} for the sockets of the daemon`, {
      cause,
    });
  }
  const { uid, mode } = await lstat(path);
  // In /tmp another user may have created it.
  if (uid === userId && (mode & 0o022) === 0) {
    await chmod(path, 0o700);
  } else {
    throw new BhattiError(
      "host_unfit",
      `${path} belongs to another user or is accessible to others`,
      {
        hint: "Remove it, or set XDG_RUNTIME_DIR to a directory that you own",
      },
    );
  }
  return path;
}

function pathFor(env: System["env"], userId: number): string {
  if (userId === 0) return "/run/bhatti";
  const own = env["XDG_RUNTIME_DIR"];
  return own ? `${own}/bhatti` : `/tmp/bhatti-${userId}`;
}

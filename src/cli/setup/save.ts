/** Writes address and key into a configuration file, and leaves all else in it as it was. */
import {
  chmod,
  chown,
  lstat,
  mkdir,
  open,
  readFile,
  realpath,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { dirname } from "node:path";
import { parseConfig } from "../../config/file.ts";
import { BhattiError, isBhattiError, messageOf } from "../../errors/bhatti-error.ts";
import type { ClientSettings } from "../settings.ts";

export interface Destination {
  path: string;
  /** Whether the directory is ours to make and to close to others. */
  ownDirectory: boolean;
  owner: { uid: number; gid: number } | undefined;
}

export async function saveClientConfig(
  { path, ownDirectory, owner }: Destination,
  settings: ClientSettings,
): Promise<void> {
  try {
    const there = await stat(path).catch(() => undefined);
    if (!there && (await lstat(path).catch(() => undefined))) {
      throw new Error("it is a dangling symbolic link");
    }
    // Not even /dev/null will do: it would be replaced by a file.
    if (there && !there.isFile()) throw new Error("it must be a regular file");
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "";
      throw error;
    });
    const changed = withSettings(text, settings);
    // A file with other faults stays unchanged: every command would refuse it.
    parseConfig(path, changed);
    if (ownDirectory) {
      const directory = dirname(path);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await chmod(directory, 0o700);
      if (owner) await chown(directory, owner.uid, owner.gid);
    }
    await replaceFile(path, changed, owner);
  } catch (cause) {
    if (isBhattiError(cause)) throw cause;
    throw new BhattiError("bad_config", `cannot write ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** The text with these two keys changed or added. */
export function withSettings(text: string, { url, token }: ClientSettings): string {
  return withKey(withKey(text, "api_url", url), "auth_token", token);
}

function withKey(text: string, key: string, value: string): string {
  const line = `${key}: ${/^[\w:/.@-]+$/.test(value) ? value : JSON.stringify(value)}`;
  const written = new RegExp(`^${key}\\s*:.*$`, "m");
  if (written.test(text)) return text.replace(written, () => line);
  return `${text}${text && !text.endsWith("\n") ? "\n" : ""}${line}\n`;
}

/** Replaces the file atomically, readable for its owner only, as it has the key. */
async function replaceFile(
  path: string,
  text: string,
  owner: { uid: number; gid: number } | undefined,
): Promise<void> {
  const target = await realpath(path).catch(() => path); // a link stays one
  const temporary = `${target}.${crypto.randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
      if (owner) await file.chown(owner.uid, owner.gid);
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}

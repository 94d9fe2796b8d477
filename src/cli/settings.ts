/** Where a client's address and key come from: flag, then configuration file, then environment, then default. */

import { type ConfigSources, loadClientConfig } from "../config/load.ts";
import { brokenUrl } from "../config/rules.ts";
import { BhattiError } from "../errors/bhatti-error.ts";
import { text, toggle } from "./arguments/flags.ts";
import type { FlagValues } from "./command.ts";
import type { System } from "./system.ts";

export const globalFlags = {
  url: text("URL of the daemon", { placeholder: "url" }),
  token: text("API key", { placeholder: "key" }),
  "data-dir": text("Data directory of the daemon, for serve, user and image", {
    placeholder: "path",
  }),
  json: toggle("Print JSON"),
  timing: toggle("Print request timings to stderr"),
  help: toggle("Show help", { short: "h" }),
};

export type GlobalFlags = FlagValues<typeof globalFlags>;

export interface ClientSettings {
  url: string;
  token: string;
}

export const defaultUrl = "http://localhost:8080";

export async function loadClientSettings(
  flags: Pick<GlobalFlags, "url" | "token">,
  sources: ConfigSources,
): Promise<ClientSettings> {
  const enough = flags.url && flags.token;
  const config = enough ? undefined : await loadClientConfig(sources);
  const env = sources.env;
  const fromEnv = env["BHATTI_URL"] || undefined;
  if (flags.url) checkUrl("--url", flags.url);
  else if (!config?.apiUrl && fromEnv) checkUrl("BHATTI_URL", fromEnv);
  const url = flags.url || config?.apiUrl?.value || fromEnv || defaultUrl;
  const token = flags.token || config?.authToken?.value || env["BHATTI_TOKEN"] || "";
  return { url: url.replace(/\/+$/, ""), token };
}

function checkUrl(where: string, value: string): void {
  const problem = brokenUrl(value);
  if (problem) throw new BhattiError("bad_usage", `${where} ${problem}`);
}

/** The sources of configuration of this process. */
export async function configSources(
  system: System,
  onWarning: (message: string) => void,
): Promise<ConfigSources> {
  const home = await homeDirectory(system.env, system.userId, readText);
  return { env: system.env, home, read: readText, onWarning };
}

/** Returns the user's home; under sudo, that of the invoking user. */
export async function homeDirectory(
  env: System["env"],
  userId: number,
  read: ConfigSources["read"],
): Promise<string> {
  return (await invokingUser(env, userId, read))?.home ?? env["HOME"] ?? "/root";
}

export interface InvokingUser {
  uid: number;
  gid: number;
  home: string;
}

/** Returns the user who called sudo; undefined without sudo. */
export async function invokingUser(
  env: System["env"],
  userId: number,
  read: ConfigSources["read"],
): Promise<InvokingUser | undefined> {
  const name = env["SUDO_USER"];
  if (userId !== 0 || !name || name === "root") return undefined;
  for (const line of ((await read("/etc/passwd")) ?? "").split("\n")) {
    const [login, , uid, gid, , home] = line.split(":");
    if (login === name && home) return { uid: Number(uid), gid: Number(gid), home };
  }
  return undefined;
}

export async function readText(path: string): Promise<string | undefined> {
  // To read a FIFO is to wait for who writes it, and a device may never end; /dev/null is how to say "no file".
  if (isSpecial(path) && path !== "/dev/null") throw new Error("it must be a regular file");
  try {
    return await Bun.file(path).text();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Whether there is something that is neither a file nor a directory. Takes microseconds, where `stat` would take a turn. */
function isSpecial(path: string): boolean {
  // The size is kept: who reads through the same object gets no more than that, which of /proc's files is nothing.
  return Bun.file(path).size === Number.POSITIVE_INFINITY;
}

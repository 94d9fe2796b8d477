/** The data directory that a command on the daemon's machine works on: the flag's, the configuration's, the default. */
import { loadServerConfig } from "../config/load.ts";
import type { Context } from "./context.ts";
import { configSources } from "./settings.ts";

export async function dataDirectory({ flags, system, remark }: Context): Promise<string> {
  if (flags["data-dir"]) return await absolutePath(flags["data-dir"]);
  return (await loadServerConfig(await configSources(system, warnOf({ remark })))).dataDir;
}

function warnOf({ remark }: Pick<Context, "remark">): (message: string) => void {
  return (message) => void remark(`Warning: ${message}`);
}

export async function absolutePath(path: string): Promise<string> {
  const { resolve } = await import("node:path");
  return resolve(path);
}

/** Opens the database there, without the daemon. */
export async function openLocal(context: Context, options: { create?: boolean } = {}) {
  const { openOperator } = await import("../operator/operator.ts");
  return await openOperator(await dataDirectory(context), { ...options, warn: warnOf(context) });
}

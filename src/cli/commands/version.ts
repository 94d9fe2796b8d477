/** `bhatti version`: ours, and the daemon's when it answers. */
import type { Client } from "../../client/client.ts";
import { version as ownVersion } from "../../version.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";

/** A daemon that takes longer is as good as not there. */
const patienceMs = 2000;

export const version = command({
  arguments: [],
  flags: {},
  examples: ["bhatti version", "bhatti version --json"],
  async run(context) {
    const client = await context.client();
    const server = await askServer(context, client);
    const { about } = server;
    const value = {
      version: ownVersion,
      api: client.url,
      ...(server.version && { server_version: server.version }),
      ...about,
    };
    await context.result(value, () => {
      const lines = [`bhatti ${shown(ownVersion)}`, `api: ${client.url}`];
      if (server.version) lines.push(`server: ${shown(server.version)}`);
      if (about) {
        const { accelerator = "-", accelerator_reason: reason = "-" } = about;
        lines.push(`engine: ${about.engine ?? "-"}`, `accelerator: ${accelerator} (${reason})`);
        if (about.network) lines.push(`network: ${about.network} (${about.network_reason})`);
        if (about.isolates === false) {
          lines.push("isolation: none; run trusted code only");
        }
      }
      return `${lines.join("\n")}\n`;
    });
  },
});

/** Every answer names the daemon's version, a refusal too; silence is an answer as well. */
async function askServer(context: Context, client: Client) {
  let seen: string | undefined;
  const unsubscribe = client.onHeaders((headers) => {
    seen = headers.get("x-bhatti-version") ?? undefined;
  });
  try {
    const { result } = await client.call("version.get", {}, patienceMs);
    const { version: named, ...about } = result;
    return { version: seen ?? named, about };
  } catch {
    return { version: seen, about: undefined };
  } finally {
    unsubscribe();
    context.timing?.end();
  }
}

function shown(version: string): string {
  return /^\d/.test(version) ? `v${version}` : version;
}

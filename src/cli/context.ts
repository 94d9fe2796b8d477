/** What a command may touch, and the one way to the screen. */
import { Client } from "../client/client.ts";
import { Timing } from "../client/timing.ts";
import { shownText } from "../contract/byte-text.ts";
import { developmentVersion, version } from "../version.ts";
import type { Names } from "./names.ts";
import { configSources, type GlobalFlags, loadClientSettings } from "./settings.ts";
import type { System } from "./system.ts";

export interface Context {
  system: System;
  flags: GlobalFlags;
  timing: Timing | undefined;
  /** What the words have named; a command adds what it comes to know. */
  names: Names;
  /** Reads the settings when it is first asked for. */
  client(): Promise<Client>;
  /** Prints what a command found: with --json the value, otherwise its words. */
  result(value: unknown, human: () => string): Promise<void>;
  /** A remark for a person, on stderr. */
  remark(line: string): Promise<void>;
}

export function openContext(system: System, flags: GlobalFlags, names: Names): Context {
  const timing = flags.timing ? new Timing(system.now) : undefined;
  let client: Promise<Client> | undefined;
  // Remarks are optional: a closed stderr is no error.
  const remark = (line: string) => system.stderr.write(`${shownText(line)}\n`).catch(() => {});
  return {
    system,
    flags,
    timing,
    names,
    client() {
      client ??= openClient(system, flags, timing, remark);
      return client;
    },
    result: (value, human) =>
      system.stdout.write(flags.json ? `${JSON.stringify(value, undefined, 2)}\n` : human()),
    remark,
  };
}

async function openClient(
  system: System,
  flags: GlobalFlags,
  timing: Timing | undefined,
  remark: (line: string) => Promise<void>,
): Promise<Client> {
  const warn = (message: string) => void remark(`Warning: ${message}`);
  const settings = await loadClientSettings(flags, await configSources(system, warn));
  if (timing) await resolveName(settings.url, timing, system.now);
  const client = new Client({
    ...settings,
    fetch: system.fetch,
    connectWebSocket: system.connectWebSocket,
    ...(timing && { timing }),
    ...(!flags.json && { onRateLimit: sayOnce(remark) }),
  });
  const stop = client.onHeaders((headers) => {
    const minimum = headers.get("x-bhatti-min-cli");
    if (!minimum || version === developmentVersion) return;
    stop(); // once is enough
    void warnOfOldCli(minimum, warn);
  });
  return client;
}

/** From the second wait on: the first is short. */
const shortWaitMs = 2000;

function sayOnce(remark: (line: string) => Promise<void>): (totalMs: number) => void {
  let isSaid = false;
  return (totalMs) => {
    if (isSaid || totalMs < shortWaitMs) return;
    isSaid = true;
    void remark("The daemon's rate limit is reached; waiting…");
  };
}

async function warnOfOldCli(minimum: string, warn: (message: string) => void): Promise<void> {
  const { isOlder } = await import("./semver.ts");
  if (isOlder(version, minimum)) {
    warn(
      `this version of bhatti, ${version}, is older than ${minimum}, which the daemon requires: update bhatti`,
    );
  }
}

/** The runtime does not say how long a name took, but it keeps the answer: so ask just before. */
async function resolveName(url: string, timing: Timing, now: () => number): Promise<void> {
  const { hostname } = new URL(url);
  if (/^[\d.]+$|^\[/.test(hostname)) return;
  const started = now();
  await Bun.dns.lookup(hostname).catch(() => {}); // the request itself will say so
  timing.resolved(now() - started);
}

/** `bhatti serve`: the daemon, in the foreground until a signal ends it. */
import { loadServerConfig } from "../../config/load.ts";
import type { ServerConfig } from "../../config/schema.ts";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { LogLevel } from "../../observability/log.ts";
import { version } from "../../version.ts";
import { choice } from "../arguments/flags.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { absolutePath } from "../data-directory.ts";
import { configSources } from "../settings.ts";
import type { System } from "../system.ts";

export const serve = command({
  description:
    "Reads /etc/bhatti/config.yaml, or the file that BHATTI_CONFIG names. Logs JSON lines to stderr.\n" +
    "SIGTERM and SIGINT shut down gracefully; a second signal exits immediately. SIGQUIT suspends all sandboxes " +
    "before it shuts down, regardless of on_shutdown.",
  arguments: [],
  flags: {
    "on-shutdown": choice("Keep or stop running sandboxes on exit (overrides the configuration)", [
      "keep",
      "stop",
    ]),
  },
  examples: [
    "sudo bhatti serve",
    "sudo bhatti serve --on-shutdown stop",
    "BHATTI_LOG_LEVEL=debug BHATTI_CONFIG=./dev.yaml bhatti serve",
  ],
  async run(context, input) {
    // Closes all files of the daemon to other users.
    process.umask(0o077);
    const level = logLevel(context.system.env["BHATTI_LOG_LEVEL"] || "info");
    const onShutdown = input["on-shutdown"];
    const config = { ...(await readConfig(context)), ...(onShutdown && { onShutdown }) };
    using ending = awaitSignal(context.system);
    const { startDaemon } = await import("../../daemon/daemon.ts");
    const { createLogger } = await import("../../observability/log.ts");
    const { runtimeDirectory } = await import("../runtime-directory.ts");
    const { stderr } = context.system;
    const log = createLogger({ level, write: (line) => void stderr.write(line).catch(() => {}) });
    const runtimeDir = await runtimeDirectory(context.system);
    const daemon = await startDaemon(config, { log, version, runtimeDir });
    const signal = await ending.received;
    await daemon.stop(signal === "SIGQUIT" ? "stop" : undefined);
  },
});

async function readConfig({ system, flags, remark }: Context): Promise<ServerConfig> {
  const warn = (message: string) => void remark(`Warning: ${message}`);
  const config = await loadServerConfig(await configSources(system, warn));
  const dataDir = flags["data-dir"];
  return dataDir ? { ...config, dataDir: await absolutePath(dataDir) } : config;
}

function logLevel(wanted: string): LogLevel {
  const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];
  const level = levels.find((one) => one === wanted);
  if (level) return level;
  throw new BhattiError(
    "bad_usage",
    `BHATTI_LOG_LEVEL must be one of ${levels.join(", ")}, got "${wanted}"`,
  );
}

type EndSignal = (typeof endSignals)[number];
const endSignals = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;

/** The first signal asks for a good end; the second gets the signal's own, but for SIGQUIT, which asks for patience. */
function awaitSignal(system: System): Disposable & { received: Promise<EndSignal> } {
  const { promise, resolve } = Promise.withResolvers<EndSignal>();
  const handlers = new DisposableStack();
  let asked = false;
  for (const signal of endSignals) {
    const onSignal = () => {
      if (asked && signal !== "SIGQUIT") {
        handlers.dispose();
        system.die(signal);
      }
      asked = true;
      resolve(signal);
    };
    // A shell ignores SIGINT and SIGQUIT for a daemon that a script starts with `&`.
    handlers.use(system.onSignal(signal, onSignal, { evenIfIgnored: true }));
  }
  return { received: promise, [Symbol.dispose]: () => handlers.dispose() };
}

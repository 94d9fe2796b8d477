/** Hands words, streams, environment and signals to the command line and sets the exit code: the only file with `process`. */
import { isIgnoredIn } from "./cli/ignored-signals.ts";
import { ownWords } from "./cli/own-words.ts";
import { run } from "./cli/run.ts";
import { openOutput } from "./cli/terminal/output.ts";
import { openInput, openTerminal } from "./cli/terminal/streams.ts";
import { webSocketConnector } from "./cli/web-socket.ts";

// A proxy is for the network; a daemon on this machine is not reached through it.
if (process.env["HTTP_PROXY"] || process.env["http_proxy"]) {
  const exceptions = process.env["NO_PROXY"] ?? process.env["no_proxy"];
  process.env["NO_PROXY"] = [exceptions, "localhost", "127.0.0.1", "::1"].filter(Boolean).join(",");
}

/** Read before the first handler is installed, and only then. */
let statusAtStart: string | undefined;
function readStatus(): string {
  try {
    return process.getBuiltinModule("node:fs").readFileSync("/proc/self/status", "latin1");
  } catch {
    return "";
  }
}

const lingerMs = 2000;

process.exitCode = await run(await ownWords(process.argv.slice(2)), {
  env: process.env,
  userId: process.getuid?.() ?? 0,
  stdin: openInput(),
  stdout: openOutput(1, "standard output"),
  stderr: openOutput(2, "standard error"),
  // process.stdin and process.stdout cost 12 ms to look at, so only what needs a terminal does.
  terminal: openTerminal(() => process),
  onSignal(signal, listener, { evenIfIgnored = false } = {}) {
    statusAtStart ??= readStatus();
    if (!evenIfIgnored && isIgnoredIn(statusAtStart, signal)) return { [Symbol.dispose]() {} };
    process.on(signal, listener);
    return { [Symbol.dispose]: () => void process.off(signal, listener) };
  },
  die: (signal) => void process.kill(process.pid, signal),
  fetch: (url, init) => fetch(url, init),
  connectWebSocket: webSocketConnector(fetch, process.env),
  now: () => performance.now(),
});

// A connection or a timer that is left over must not keep the process, which is done.
setTimeout(() => process.exit(), lingerMs).unref();

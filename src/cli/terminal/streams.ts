/** Our own stdin and terminal. */
import type { FileInput, Input, LocalTerminal, StdinKind } from "../system.ts";

export function openInput(): Input {
  return {
    async kind() {
      const stat = await Bun.stdin.stat().catch(() => undefined);
      return stat ? await kindOf(stat) : "nothing";
    },
    file: fileOnStdin,
    chunks(position) {
      const opening = streamOfStdin(position).then((stream) => stream.getReader());
      return {
        cancel: () => void opening.then((reader) => reader.cancel()).catch(() => {}), // it is let go of either way
        async *[Symbol.asyncIterator]() {
          const reader = await opening;
          for (;;) {
            const { done, value } = await reader.read();
            if (done) return;
            yield value;
          }
        },
      };
    },
  };
}

/** Reads a file from its current position; the runtime's own stream would start at its beginning. */
async function streamOfStdin(position: number | undefined): Promise<ReadableStream<Uint8Array>> {
  const stat = await Bun.stdin.stat().catch(() => undefined);
  if (!stat?.isFile()) return Bun.stdin.stream();
  const { readSync } = await import("node:fs");
  const piece = 256 * 1024;
  let next = position;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const buffer = Buffer.allocUnsafe(piece);
        const count = readSync(0, buffer, 0, piece, next ?? null);
        if (next !== undefined) next += count;
        if (count === 0) controller.close();
        else controller.enqueue(buffer.subarray(0, count));
      },
    },
    { highWaterMark: 0 },
  );
}

async function fileOnStdin(): Promise<FileInput | undefined> {
  try {
    const stat = await Bun.stdin.stat();
    // The parent process may have read some of it.
    const [, pos] = /^pos:\s*(\d+)/.exec(await Bun.file("/proc/self/fdinfo/0").text()) ?? [];
    const position = Number(pos);
    const bytes = stat.isFile() ? stat.size - position : 0;
    // What the kernel makes up as it is read, as in /proc, says that it is empty.
    return bytes > 0 ? { bytes, position } : undefined;
  } catch {
    return undefined; // such as where there is no /proc
  }
}

interface Stat {
  isFIFO(): boolean;
  isFile(): boolean;
  isSocket(): boolean;
  isCharacterDevice(): boolean;
  rdev: number;
}

async function kindOf(stat: Stat): Promise<StdinKind> {
  if (stat.isFIFO() || stat.isSocket()) return "pipe";
  if (stat.isFile()) return "file";
  if (!stat.isCharacterDevice() || isDevNull(stat.rdev)) return "nothing";
  const { isatty } = await import("node:tty");
  return isatty(0) ? "terminal" : "file";
}

/** Linux's number for it; elsewhere an empty file is found by reading it. */
function isDevNull(device: number): boolean {
  return device === (1 << 8) + 3;
}

export function openTerminal(host: () => NodeJS.Process): LocalTerminal {
  return {
    size() {
      // process.stdout makes a pipe non-blocking for all processes that share it, so it is used only for terminals.
      if (!host().getBuiltinModule("node:tty").isatty(1)) return undefined;
      const [cols, rows] = host().stdout.getWindowSize();
      return cols > 0 && rows > 0 ? { rows, cols } : undefined;
    },
    async isOutput() {
      const { isatty } = await import("node:tty");
      return isatty(1);
    },
    async isWatched() {
      const { isatty } = await import("node:tty");
      return isatty(2);
    },
    raw() {
      const { stdin } = host();
      stdin.setRawMode?.(true);
      stopPostprocessing();
      return { [Symbol.dispose]: () => leaveRawMode(stdin) };
    },
  };
}

function leaveRawMode(stdin: NodeJS.Process["stdin"]): void {
  try {
    stdin.setRawMode?.(false);
  } catch {
    // A terminal has no modes after its window was closed.
  }
}

/**
 * The runtime's raw mode goes on to make CR LF of LF, which spoils what a full-screen program draws: to it LF is one
 * line down in the same column. Leaving raw mode puts it back.
 */
function stopPostprocessing(): void {
  try {
    Bun.spawnSync(["stty", "-opost"], { stdin: "inherit", stdout: "ignore", stderr: "ignore" });
  } catch {
    // without stty some programs look a little odd
  }
}

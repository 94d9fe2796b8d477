/** The programs that a fake guest knows: a handful of commands, in TypeScript, without spawning anything. */
import { Channel, type TerminalSize } from "../../agent/guest.ts";
import { abortable, pause } from "../../async/deadline.ts";
import type { MachineEnd } from "../engine.ts";
import { runScript, talk } from "./fake-shell.ts";

export interface FakeFile {
  mode: number;
  user: "lohar" | "root";
  content: Uint8Array;
  kind?: "directory";
  /** Of a link. */
  target?: string;
  mtimeMs?: number;
}

export interface FakeSurroundings {
  env: Record<string, string>;
  hostname: string;
  files: Map<string, FakeFile>;
  memory: Map<string, string>;
  /** Told of output that a program got rid of. */
  wrote(bytes: number): void;
  end(end: MachineEnd): void;
}

export interface ProgramContext extends FakeSurroundings {
  cwd: string;
  user: "lohar" | "root";
  stdin: AsyncIterable<Uint8Array>;
  tty: boolean;
  size(): TerminalSize | undefined;
  /** Aborted when the process is killed. */
  ended: AbortSignal;
  /** From now on signals but KILL are the handler's, by name. */
  trap(handler: (signal: string) => void): void;
  write(channel: 1 | 2, data: Uint8Array): Promise<void>;
}

type Program = (args: string[], context: ProgramContext) => Promise<number>;

const encoder = new TextEncoder();
const print = (context: ProgramContext, text: string) =>
  context.write(Channel.stdout, encoder.encode(text));
const complain = (context: ProgramContext, text: string) =>
  context.write(Channel.stderr, encoder.encode(text));

export async function runProgram(argv: string[], context: ProgramContext): Promise<number> {
  const [name = "", ...args] = argv;
  const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
  if (program) return program(args, context);
  await complain(context, `${name}: command not found\n`);
  return 127;
}

const programs: Record<string, Program> = {
  true: async () => 0,
  false: async () => 1,
  async echo(args, context) {
    const newline = args[0] !== "-n";
    await print(context, (newline ? args : args.slice(1)).join(" ") + (newline ? "\n" : ""));
    return 0;
  },
  /** Knows the escapes \n, \\ and \xHH, which may give bytes that are no UTF-8. */
  async printf(args, context) {
    const bytes = (args[0] ?? "").replace(/\\(n|\\|x[0-9a-fA-F]{2})/g, (_, code: string) =>
      code === "n" ? "\n" : code === "\\" ? "\\" : `\0${code.slice(1)}`,
    );
    await context.write(Channel.stdout, unescapeBytes(bytes));
    return 0;
  },
  async cat(args, context) {
    if (args.length === 0) {
      for await (const chunk of context.stdin) await context.write(Channel.stdout, chunk);
      return 0;
    }
    for (const path of args) {
      const file = context.files.get(path);
      if (!file) {
        await complain(context, `cat: ${path}: No such file or directory\n`);
        return 1;
      }
      await context.write(Channel.stdout, file.content);
    }
    return 0;
  },
  /** `write PATH TEXT`: makes that the file's content. */
  async write([path = "", text = ""], context) {
    context.files.set(path, { mode: 0o644, user: "lohar", content: encoder.encode(text) });
    return 0;
  },
  /** `remember KEY VALUE`: as a process would that goes on in the background and has it in a variable. */
  async remember([key = "", value = ""], context) {
    context.memory.set(key, value);
    return 0;
  },
  async recall([key = ""], context) {
    const value = context.memory.get(key);
    if (value === undefined) return 1;
    await print(context, value);
    return 0;
  },
  /** `stat PATH`: mode and owner. */
  async stat(args, context) {
    const file = context.files.get(args[0] ?? "");
    if (!file) return 1;
    await print(context, `${file.mode.toString(8).padStart(4, "0")} ${file.user}\n`);
    return 0;
  },
  async wc(_args, context) {
    let bytes = 0;
    for await (const chunk of context.stdin) bytes += chunk.length;
    await print(context, `${bytes}\n`);
    return 0;
  },
  /** `zeros N`: that many zero bytes. */
  async zeros(args, context) {
    const block = new Uint8Array(65_536);
    for (let rest = Number(args[0]); rest > 0; rest -= block.length) {
      await context.write(Channel.stdout, block.subarray(0, Math.min(rest, block.length)));
      context.ended.throwIfAborted();
    }
    return 0;
  },
  async yes(args, context) {
    const block = encoder.encode(`${args[0] ?? "y"}\n`.repeat(4096));
    while (!context.ended.aborted) {
      await context.write(Channel.stdout, block);
      await Bun.sleep(0);
    }
    return 0;
  },
  async sleep(args, context) {
    await pause(Number(args[0]) * 1000, context.ended);
    return 0;
  },
  /** `trap CODE`: says that it is ready, waits for a signal, says which came, and exits with the code. */
  async trap(args, context) {
    const { promise, resolve } = Promise.withResolvers<string>();
    context.trap(resolve);
    await print(context, "ready\n");
    await print(context, `${await abortable(promise, context.ended)}\n`);
    return Number(args[0]);
  },
  async env(_args, context) {
    for (const [name, value] of Object.entries(context.env))
      await print(context, `${name}=${value}\n`);
    return 0;
  },
  async pwd(_args, context) {
    await print(context, `${context.cwd}\n`);
    return 0;
  },
  async hostname(_args, context) {
    await print(context, `${context.hostname}\n`);
    return 0;
  },
  async whoami(_args, context) {
    await print(context, `${context.user}\n`);
    return 0;
  },
  async stty(_args, context) {
    const size = context.size();
    if (!size) return 1;
    await print(context, `${size.rows} ${size.cols}\n`);
    return 0;
  },
  async tty(_args, context) {
    await print(context, context.tty ? "/dev/pts/0\n" : "not a tty\n");
    return context.tty ? 0 : 1;
  },
  async poweroff(_args, context) {
    context.end({ reason: "powered_off", detail: "the guest shut down" });
    return 0;
  },
  async crash(_args, context) {
    context.end({ reason: "crashed", detail: "kernel panic, as asked for" });
    return 0;
  },
  async sh(args, context) {
    if (args[0] === "-c") return runScript(args[1] ?? "", context, runProgram);
    return args.length === 0 || args[0] === "-l" ? talk(context, runProgram) : 2;
  },
  /** `command -v NAME` */
  command: async ([_, name = ""]) => (Object.hasOwn(programs, name) ? 0 : 1),
  exec: (args, context) => runProgram(args, context),
  bash: async (args, context) => programs["sh"]?.(args, context) ?? 127,
};

/** `\0HH` stands for the byte. */
function unescapeBytes(text: string): Uint8Array {
  const parts = text.split("\0");
  const bytes: Uint8Array[] = [encoder.encode(parts[0])];
  for (const part of parts.slice(1)) {
    bytes.push(Uint8Array.of(Number.parseInt(part.slice(0, 2), 16)));
    bytes.push(encoder.encode(part.slice(2)));
  }
  return new Uint8Array(Buffer.concat(bytes));
}

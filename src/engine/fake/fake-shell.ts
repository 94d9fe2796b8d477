/** The shell of a fake guest: no more of the language than tests need. */
import { Channel } from "../../agent/guest.ts";

interface ShellContext {
  env: Record<string, string>;
  stdin: AsyncIterable<Uint8Array>;
  tty: boolean;
  ended: AbortSignal;
  write(channel: 1 | 2, data: Uint8Array): Promise<void>;
}

type Run<C> = (argv: string[], context: C) => Promise<number>;

const command = /(;|&&|\|\||^)((?:'[^']*'|"[^"]*"|>&2|[^;&|'"]|[&|](?![&|]))*)/g;

/** Commands with `;`, `&&` or `||` between them; words with quotes and `$NAME`; `>&2`, `>/dev/null`, `exec`, `exit N`. */
export async function runScript<C extends ShellContext>(
  script: string,
  context: C,
  run: Run<C>,
): Promise<number> {
  let code = 0;
  for (const [, operator, text = ""] of script.matchAll(command)) {
    const isSkipped = operator === "&&" ? code !== 0 : operator === "||" && code === 0;
    const words = isSkipped ? [] : wordsOf(text, context.env);
    if (words.length === 0) continue;
    if (words[0] === "exit") return Number(words[1] ?? code);
    code = await runRedirected(words, context, run);
    context.ended.throwIfAborted();
    if (words[0] === "exec") return code;
  }
  return code;
}

async function runRedirected<C extends ShellContext>(
  words: string[],
  context: C,
  run: Run<C>,
): Promise<number> {
  const target = words.at(-1);
  if (target === ">/dev/null") {
    return await run(words.slice(0, -1), { ...context, write: async () => {} });
  }
  if (target !== ">&2") return await run(words, context);
  const write = (_channel: 1 | 2, data: Uint8Array) => context.write(Channel.stderr, data);
  return await run(words.slice(0, -1), { ...context, write });
}

/** An interactive shell: a prompt, what is typed as its terminal shows it, and the lines run as scripts. */
export async function talk<C extends ShellContext>(context: C, run: Run<C>): Promise<number> {
  const prompt = context.tty ? "$ " : "";
  const print = (text: string) => context.write(Channel.stdout, Buffer.from(text));
  const show = (text: string) => (context.tty ? print(text) : undefined);
  await print(prompt);
  for await (const line of linesOf(context.stdin, show)) {
    const [exits, code] = line.trim().match(/^exit(?: (\d+))?$/) ?? [];
    if (exits !== undefined) return Number(code ?? 0);
    await runScript(line, context, run);
    await print(prompt);
  }
  return 0;
}

/** Until its end, or until ^D is typed at a line's start. */
async function* linesOf(
  stdin: AsyncIterable<Uint8Array>,
  show: (text: string) => Promise<void> | undefined,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let line = "";
  for await (const chunk of stdin) {
    for (const character of decoder.decode(chunk, { stream: true })) {
      if (character === "\x04" && line === "") return;
      if (character !== "\r" && character !== "\n") {
        await show(character);
        line += character;
        continue;
      }
      await show("\r\n");
      yield line;
      line = "";
    }
  }
}

function wordsOf(command: string, env: Record<string, string>): string[] {
  const words = command.match(/'[^']*'|"[^"]*"|\S+/g) ?? [];
  return words.map((word) => {
    if (word.startsWith("'")) return word.slice(1, -1);
    const bare = word.startsWith('"') ? word.slice(1, -1) : word;
    return bare.replace(/\$(\w+)/g, (_, name: string) => env[name] ?? "");
  });
}

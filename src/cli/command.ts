/** What a command is: its words, its flags and what it does, as data that parser and help read alike. */
import type { Context } from "./context.ts";
import type { System } from "./system.ts";

export interface Flag<T> {
  summary: string;
  /** One letter. */
  short?: string;
  /** Stands for the value in the help; a flag without one is a switch. */
  placeholder?: string;
  hidden?: true;
  /** Turns what was written, once per use, into a value. Throws bad_usage in terms of `name`. */
  parse(written: readonly string[], name: string): T;
}

export type Flags = Record<string, Flag<unknown>>;

export type FlagValues<F extends Flags> = {
  [Name in keyof F]: F[Name] extends Flag<infer T> ? T : never;
};

/** What a user wrote, in the command's own types. */
export type CommandInput<
  F extends Flags,
  Argument extends string,
  Rest extends string,
> = FlagValues<F> & Record<Argument, string> & Record<Rest, string[]>;

export interface CommandShape<F extends Flags, Argument extends string, Rest extends string> {
  /** What the command's own help says beyond its line in the table. */
  description?: string;
  arguments: readonly Argument[];
  /** All words after the arguments; at least one is needed. */
  rest?: Rest;
  /** The command line of another program: its short flags are not parsed. */
  restIsCommand?: true;
  flags: F;
  /** Arguments that name files, which are bytes and need not be UTF-8. */
  byteArguments?: readonly (Argument | Rest)[];
  examples?: readonly string[];
  /** Exit code of a failure, derived from words that may be invalid; 1 by default. */
  failureExitCode?(words: readonly string[], env: System["env"]): number;
  /** Does the work; a number is the exit code. */
  run(context: Context, input: CommandInput<F, Argument, Rest>): Promise<number | undefined>;
}

/** A command with its types forgotten: what the program handles. */
export interface Command {
  description?: string;
  arguments: readonly string[];
  rest?: string;
  restIsCommand?: true;
  flags: Flags;
  byteArguments?: readonly string[];
  examples?: readonly string[];
  failureExitCode?(words: readonly string[], env: System["env"]): number;
  execute(context: Context, positional: readonly string[], flags: WrittenFlags): Promise<number>;
}

/** Every use of every flag, in order. */
export type WrittenFlags = ReadonlyMap<string, readonly string[]>;

export function command<
  const F extends Flags,
  const Argument extends string = never,
  const Rest extends string = never,
>(shape: CommandShape<F, Argument, Rest>): Command {
  const { run, ...rest } = shape;
  return {
    ...rest,
    async execute(context, positional, written) {
      const input = readInput(shape, positional, written);
      // The keys are those of the declaration: that is what readInput goes through.
      return (await run(context, input as CommandInput<F, Argument, Rest>)) ?? 0;
    },
  };
}

function readInput(
  shape: { flags: Flags; arguments: readonly string[]; rest?: string },
  positional: readonly string[],
  written: WrittenFlags,
): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(shape.flags)) {
    input[name] = flag.parse(written.get(name) ?? [], name);
  }
  for (const [index, name] of shape.arguments.entries()) input[name] = positional[index];
  if (shape.rest) input[shape.rest] = positional.slice(shape.arguments.length);
  return input;
}

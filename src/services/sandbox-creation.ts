/** Makes a sandbox's machine and puts into it what the create asked for; on failure nothing of it is left. */
import type { GuestConfiguration } from "../agent/guest.ts";
import { faultPoint } from "../async/fault-point.ts";
import type { Engine, Machine, MachineOrigin } from "../engine/engine.ts";
import type { RootImage } from "../engine/machine-spec.ts";
import type { Logger } from "../observability/log.ts";
import type { SandboxRecord } from "../store/sandboxes.ts";
import type { FoundImage } from "./images.ts";
import type { ConfigOf } from "./machine-config.ts";
import type { SandboxFile } from "./sandbox-plan.ts";

export interface CreationOrder {
  sandbox: SandboxRecord;
  configOf: ConfigOf;
  image: FoundImage;
  files: SandboxFile[];
}

/** How a machine came to be, as log and events tell it. */
export type MakingStory = {
  machine: string;
  origin: MachineOrigin["kind"];
  steps: Record<string, number>;
  files: number;
  ms: number;
};

/** `commit` makes the sandbox known as running; when it throws the machine goes too. */
export async function makeMachine(
  engine: Engine,
  order: CreationOrder,
  signal: AbortSignal,
  log: Logger,
  commit: (machine: Machine) => void,
): Promise<MakingStory> {
  const started = performance.now();
  const config = order.configOf(order.sandbox);
  const { identity } = config;
  // An init script may use the files, so it starts after them: then, and only then, it costs a second message.
  const initLater = order.files.length > 0 && order.sandbox.init !== null;
  const first = initLater ? { ...config, identity: withoutInit(identity) } : config;
  await using undo = new AsyncDisposableStack();
  const machine = await engine.create(rootOf(order), first, signal);
  undo.defer(() => engine.destroy(machine.id));
  faultPoint("create.machine-made");
  if (order.files.length > 0) await writeFiles(machine, order.files, signal);
  if (initLater) await (await machine.guest(signal)).configure(identity, signal);
  signal.throwIfAborted();
  faultPoint("create.told");
  commit(machine);
  faultPoint("create.stored");
  undo.move();
  const story: MakingStory = {
    machine: machine.id,
    origin: machine.origin.kind,
    steps: Object.fromEntries(
      machine.origin.steps.map((step) => [step.name, rounded(step.milliseconds)]),
    ),
    files: order.files.length,
    ms: rounded(performance.now() - started),
  };
  log.debug("VM created", story);
  return story;
}

function rootOf({ sandbox: { diskSizeMB }, image }: CreationOrder): RootImage {
  // The image's own size is left out, as in the specification of the machines that the pool keeps.
  return diskSizeMB === image.sizeMB
    ? { image: image.machine }
    : { image: image.machine, diskSizeMB };
}

function withoutInit(identity: GuestConfiguration): GuestConfiguration {
  const { init: _, ...rest } = identity;
  return rest;
}

async function writeFiles(
  machine: Machine,
  files: SandboxFile[],
  signal: AbortSignal,
): Promise<void> {
  const guest = await machine.guest(signal);
  for (const { path, mode, content } of files) {
    await guest.writeFile({ path, mode, user: "root", owner: "lohar" }, content, signal);
  }
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 10) / 10;
}

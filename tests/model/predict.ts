/** What comes of an operation: the reply, and the state after it. */
import type { Operation, Reply } from "./operations.ts";
import {
  cool,
  isCold,
  isHot,
  isOneOf,
  isUnknown,
  loseMemory,
  maxSnapshots,
  newSandbox,
  type Sandbox,
  type State,
  suspend,
} from "./state.ts";
import {
  ask,
  byName,
  capture,
  claim,
  namesOf,
  Refusal,
  require,
  requireSnapshot,
  use,
  wake,
} from "./usage.ts";

export interface Outcome {
  state: State;
  reply: Reply;
}

type Verb = Operation["do"];
type Effects = { [V in Verb]: (state: State, operation: Extract<Operation, { do: V }>) => Reply };

export function predict(before: State, operation: Operation): Outcome {
  const state = structuredClone(before);
  const effect = effects[operation.do] as (state: State, operation: Operation) => Reply;
  try {
    return { state, reply: effect(state, operation) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { state, reply: error.reply };
  }
}

const ok: Reply = { status: 200 };
const made: Reply = { status: 201 };

const effects: Effects = {
  create(state, { name }) {
    if (byName(state, name)) return ok;
    claim(state, [name]);
    newSandbox(state, name);
    return made;
  },
  write(state, { ref, path, text }) {
    use(state, ref).files[path] = text;
    return { ...ok, output: "" };
  },
  read(state, { ref, path }) {
    return { ...ok, output: use(state, ref).files[path] ?? "nothing" };
  },
  remember(state, { ref, key, text }) {
    use(state, ref).memory[key] = text;
    return { ...ok, output: "" };
  },
  recall(state, { ref, key }) {
    return { ...ok, output: use(state, ref).memory[key] ?? "nothing" };
  },
  stop(state, { ref }) {
    const sandbox = require(state, ref);
    if (!isCold(sandbox) && !isUnknown(sandbox)) {
      if (isHot(sandbox)) ask(sandbox);
      suspend(sandbox);
    }
    sandbox.status = ["stopped"];
    return ok;
  },
  start(state, { ref, force }) {
    const sandbox = require(state, ref);
    sandbox.usedAt = state.now;
    sandbox.calmSince = state.now;
    try {
      if (isHot(sandbox)) ask(sandbox);
      if (!isHot(sandbox) || sandbox.isAsleep) wake(state, sandbox);
    } catch (error) {
      if (!force) throw error;
      loseMemory(sandbox);
      wake(state, sandbox);
    }
    return ok;
  },
  rename(state, { ref, name }) {
    const sandbox = require(state, ref);
    const other = byName(state, name);
    if (other && other !== sandbox) throw new Refusal("name_taken");
    sandbox.name = name;
    return ok;
  },
  label(state, { ref, value }) {
    require(state, ref).label = value;
    return ok;
  },
  "keep-hot"(state, { ref, on }) {
    const sandbox = require(state, ref);
    sandbox.keepHot = on;
    sandbox.calmSince = state.now;
    if (on) use(state, ref, { alone: true });
    return ok;
  },
  live(state, { ref, seconds }) {
    require(state, ref).expiresAt = state.now + seconds;
    return ok;
  },
  keep(state, { ref, name, kind }) {
    const sandbox = require(state, ref);
    if (state.snapshots.some((snapshot) => snapshot.name === name)) {
      throw new Refusal("snapshot_exists");
    }
    if (state.snapshots.length >= maxSnapshots) throw new Refusal("snapshot_limit");
    capture(sandbox, kind);
    const { files, label, key: source } = sandbox;
    const memory = kind === "full" ? sandbox.memory : {};
    state.snapshots.push(structuredClone({ name, kind, source, label, files, memory }));
    return made;
  },
  resume(state, { snapshot: ref, name }) {
    const snapshot = requireSnapshot(state, ref);
    claim(state, [name]);
    const { label, files, memory } = structuredClone(snapshot);
    newSandbox(state, name, { label, files, memory });
    return made;
  },
  restore(state, { snapshot: name, ref }) {
    const snapshot = requireSnapshot(state, name);
    const sandbox = require(state, ref);
    if (snapshot.source !== sandbox.key) throw new Refusal("bad_request");
    loseMemory(sandbox);
    const { files, memory } = structuredClone(snapshot);
    const now = { usedAt: state.now, calmSince: state.now };
    Object.assign(sandbox, { files, memory, status: ["running"], thermal: ["hot"], ...now });
    return ok;
  },
  drop(state, { snapshot: name }) {
    const snapshot = requireSnapshot(state, name);
    state.snapshots = state.snapshots.filter((other) => other !== snapshot);
    return ok;
  },
  fork(state, { ref, name, count }) {
    const source = require(state, ref);
    const names = namesOf(name, count);
    claim(state, names);
    capture(source, "full");
    for (const child of names) {
      const { label, files, memory } = structuredClone(source);
      newSandbox(state, child, { label, files, memory });
    }
    return made;
  },
  destroy(state, { ref }) {
    const sandbox = require(state, ref);
    state.sandboxes = state.sandboxes.filter((other) => other !== sandbox);
    return ok;
  },
  crash(state, { ref }) {
    end(byName(state, ref), "unknown");
    return ok;
  },
  "power-off"(state, { ref }) {
    end(byName(state, ref), "stopped");
    return ok;
  },
  deafen(state, { ref, on }) {
    const sandbox = require(state, ref);
    sandbox.isDeaf = on;
    sandbox.calmSince = state.now;
    return ok;
  },
  damage(state, { ref, how }) {
    const sandbox = require(state, ref);
    sandbox.rest = how;
    sandbox.memory = {};
    return ok;
  },
  cool(state, { ref, to }) {
    const sandbox = require(state, ref);
    if (to === "cold") suspend(sandbox);
    else sandbox.thermal = ["warm"];
    return ok;
  },
  pass(state, { seconds }) {
    state.now += seconds;
    state.sandboxes = state.sandboxes.filter(({ expiresAt = Infinity }) => expiresAt > state.now);
    for (const sandbox of state.sandboxes) cool(state, sandbox);
    return ok;
  },
  restart(state, { how, without }) {
    for (const sandbox of state.sandboxes) {
      if (without === sandbox.name && !isCold(sandbox)) loseMemory(sandbox);
      else if (how === "rest" && !isCold(sandbox)) suspend(sandbox);
      if (how === "kill") sandbox.usedAt = -Infinity;
      takeOver(state, sandbox);
    }
    return ok;
  },
};

/** A daemon has started, and finds it. */
function takeOver(state: State, sandbox: Sandbox): void {
  sandbox.calmSince = state.now;
  if (isCold(sandbox)) {
    // What ended without its user's doing so is not at rest: one that is kept hot comes back.
    const isMissed = sandbox.keepHot && !isOneOf(sandbox.status, "stopped");
    if (sandbox.rest === "off") sandbox.status = isMissed ? ["running"] : ["stopped"];
  } else {
    if (isHot(sandbox)) sandbox.isAsleep = sandbox.isDeaf;
    sandbox.status = ["running"];
  }
  if (!sandbox.keepHot || !isOneOf(sandbox.status, "running")) return;
  predictively(() => use(state, sandbox.name, { alone: true }));
}

/** Its machine ends by itself, if it has one. */
function end(sandbox: Sandbox | undefined, status: "stopped" | "unknown"): void {
  if (!sandbox || isCold(sandbox)) return;
  loseMemory(sandbox);
  sandbox.status = [status];
}

function predictively(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
}

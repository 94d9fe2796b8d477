/** What sleep, snapshots and forks cost, and how many sandboxes one machine carries. */
import type { BenchDaemon } from "./daemon.ts";
import { idleMemory } from "./memory.ts";
import { machinePids, type Row } from "./scenarios.ts";
import { measure, type Samples, timed } from "./statistics.ts";

const shape = ["--cpus", "1", "--memory", "512"];
const name = "sleeper";

async function exec(daemon: BenchDaemon, sandbox: string): Promise<void> {
  const answer = await daemon.api("POST", `/sandboxes/${sandbox}/exec`, { cmd: ["true"] });
  const { exit_code } = (await answer.json()) as { exit_code?: number };
  if (exit_code !== 0) throw new Error(`exec in ${sandbox}: ${answer.status}`);
}

async function call<T>(
  daemon: BenchDaemon,
  method: string,
  path: string,
  body?: object,
): Promise<T> {
  const answer = await daemon.api(method, path, body);
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

export async function sleeping(daemon: BenchDaemon): Promise<Row[]> {
  await daemon.cli("create", "--name", name, ...shape);
  await exec(daemon, name);
  const stops = await measure(15, async () => {
    await daemon.cli("start", name);
    await exec(daemon, name);
    await Bun.sleep(1000);
    return await timed(() => daemon.cli("stop", name));
  });
  const wakes = await measure(100, async () => {
    await daemon.cli("stop", name);
    await Bun.sleep(500);
    return await timed(() => daemon.cli("exec", name, "--", "true"));
  });
  return [
    { name: "stop, CLI", goal: 130, published: "485 / 807", how: "n = 15", samples: stops },
    {
      name: "cold wake + exec, CLI",
      goal: 200,
      published: "310 / 340",
      how: "n = 100, page cache warm",
      samples: wakes,
    },
    await warmWakes(daemon),
    ...(await copies(daemon)),
  ];
}

/** The same request to a hot sandbox and to a warm one; what is told is the difference to the hot one's median. */
async function warmWakes(daemon: BenchDaemon): Promise<Row> {
  await call(daemon, "PATCH", `/sandboxes/${name}`, { idle_warm_s: 1 });
  const request = () => timed(() => exec(daemon, name));
  for (let warm = 0; warm < 3; warm += 1) await request();
  const hot = (await measure(30, request)).milliseconds.sort((a, b) => a - b)[15] ?? 0;
  const samples = await measure(30, async () => {
    await untilThermal(daemon, name, "warm");
    return (await request()) - hot;
  });
  const how = `n = 30, what it adds to ${hot.toFixed(1)} ms`;
  return { name: "warm wake, added to exec", goal: 2, published: "1.5", how, samples };
}

async function copies(daemon: BenchDaemon): Promise<Row[]> {
  await call(daemon, "PATCH", `/sandboxes/${name}`, { idle_warm_s: 0 });
  const paused: Samples = { milliseconds: [], failures: 0 };
  const checkpoints = await measure(15, async (index) => {
    await exec(daemon, name);
    const snapshot = `snap-${index}`;
    const path = `/sandboxes/${name}/checkpoint`;
    let facts = { paused_ms: 0 };
    const ms = await timed(async () => {
      facts = await call(daemon, "POST", path, { name: snapshot });
    });
    paused.milliseconds.push(facts.paused_ms);
    await call(daemon, "DELETE", `/snapshots/${snapshot}`);
    return ms;
  });
  const answering: Samples = { milliseconds: [], failures: 0 };
  const forks = await measure(5, async () => {
    const started = performance.now();
    const children = await call<{ id: string }[]>(daemon, "POST", `/sandboxes/${name}/fork`, {
      count: 8,
    });
    const made = performance.now() - started;
    await Promise.all(children.map(({ id }) => exec(daemon, id)));
    answering.milliseconds.push(performance.now() - started);
    await Promise.all(children.map(({ id }) => call(daemon, "DELETE", `/sandboxes/${id}`)));
    return made;
  });
  return [
    { name: "snapshot create, HTTP", how: "n = 15, until durable", samples: checkpoints },
    { name: "snapshot create, source paused", goal: 80, how: "n = 15", samples: paused },
    { name: "fork of 8, agents answer", goal: 800, how: "n = 5", samples: forks },
    { name: "fork of 8, and a command in each", how: "n = 5", samples: answering },
  ];
}

/** 5 hot, 20 warm, 75 cold. */
export async function crowd(daemon: BenchDaemon): Promise<Record<string, number>> {
  const alone = await median(daemon);
  const names = [name];
  while (names.length < 100) {
    const count = Math.min(10, 100 - names.length);
    const children = await call<{ id: string }[]>(daemon, "POST", `/sandboxes/${name}/fork`, {
      count,
    });
    for (const { id } of children) {
      const place = names.push(id);
      if (place > 25) await call(daemon, "POST", `/sandboxes/${id}/stop`);
      else if (place > 5) await call(daemon, "PATCH", `/sandboxes/${id}`, { idle_warm_s: 1 });
    }
  }
  for (const id of names.slice(5, 25)) await untilThermal(daemon, id, "warm");
  await Bun.sleep(5000);
  const machines = await idleMemory(await machinePids(daemon, names.slice(0, 25)));
  const own = await idleMemory([daemon.pid]);
  return {
    "100 sandboxes (5 hot, 20 warm, 75 cold), machines' proportional MB": machines.proportional,
    "100 sandboxes, machines' % of one CPU": round(machines.cpuPercent),
    "100 sandboxes, daemon's resident MB": own.resident,
    "100 sandboxes, daemon's % of one CPU": round(own.cpuPercent),
    "exec over HTTP with 1 sandbox, p50 ms": round(alone),
    "exec over HTTP with 100 sandboxes, p50 ms": round(await median(daemon)),
  };
}

async function median(daemon: BenchDaemon): Promise<number> {
  for (let warm = 0; warm < 3; warm += 1) await exec(daemon, name);
  const { milliseconds } = await measure(50, () => timed(() => exec(daemon, name)));
  return milliseconds.sort((a, b) => a - b)[25] ?? Number.NaN;
}

function round(figure: number): number {
  return Math.round(figure * 10) / 10;
}

async function untilThermal(daemon: BenchDaemon, id: string, thermal: string): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    const sandbox = await call<{ thermal?: string }>(daemon, "GET", `/sandboxes/${id}`);
    if (sandbox.thermal === thermal) return;
    await Bun.sleep(100);
  }
  throw new Error(`${id} did not become ${thermal} within 30 s`);
}

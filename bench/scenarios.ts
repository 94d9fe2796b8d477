/** What is measured: the rows of the published table that exist so far, and those of our own. */
import type { BenchDaemon } from "./daemon.ts";
import { idleMemory } from "./memory.ts";
import { measure, type Samples, timed } from "./statistics.ts";

export interface Row {
  name: string;
  /** Our own goal, p50 in milliseconds, where there is one. */
  goal?: number;
  /** The published p50 and p99 of the original, on a Ryzen 9 with KVM. */
  published?: string;
  how: string;
  samples: Samples;
}

const shape = ["--cpus", "1", "--memory", "512"];
let names = 0;

function freshName(): string {
  names += 1;
  return `bench-${names}`;
}

/** With a pool: each create waits until a machine is ready for it, as it is when nobody creates in a row. */
export async function creating(daemon: BenchDaemon, pool: boolean): Promise<Row[]> {
  let ready = 0;
  await daemon.cli("create", "--name", "first", ...shape); // makes the golden snapshot, and tells the pool the shape
  await daemon.cli("destroy", "first", "-y");
  if (pool) ready = await daemon.poolReady(1);
  else await Bun.sleep(8000); // until the snapshot with the mounted root is made in the background
  const destroys: Samples = { milliseconds: [], failures: 0 };
  const firstExecs: Samples = { milliseconds: [], failures: 0 };
  const creates = await measure(15, async (index) => {
    const name = freshName();
    const create = await timed(() => daemon.cli("create", "--name", name, ...shape));
    const exec = await timed(() => daemon.cli("exec", name, "--", "true"));
    firstExecs.milliseconds.push(create + exec);
    if (pool && index < 14) ready = await daemon.poolReady(ready);
    destroys.milliseconds.push(await timed(() => daemon.cli("destroy", name, "-y")));
    return create;
  });
  const how = pool ? "warm pool" : "no pool";
  const rows: Row[] = [
    {
      name: `create, ${how}`,
      goal: pool ? 60 : 150,
      published: "266 / 291",
      how: "n = 15",
      samples: creates,
    },
    {
      name: `create + first exec, ${how}`,
      goal: 200,
      how: "n = 15, one after another",
      samples: firstExecs,
    },
  ];
  if (pool)
    rows.push({
      name: "destroy",
      goal: 30,
      published: "87 / 96",
      how: "n = 15, freshly created",
      samples: destroys,
    });
  return rows;
}

/** Time to interactive: from the create until the first command has answered, through the CLI. */
export async function interactive(daemon: BenchDaemon): Promise<Row[]> {
  const one = async () => {
    const name = freshName();
    try {
      return await timed(async () => {
        await daemon.cli("create", "--name", name, ...shape);
        await daemon.cli("exec", name, "--", "true");
      });
    } finally {
      await daemon.cli("destroy", name, "-y");
    }
  };
  const staggered = await together(20, async (index) => {
    await Bun.sleep(index * 200);
    return one();
  });
  const atOnce = await together(20, one);
  return [
    { name: "time to interactive, one every 200 ms", how: "n = 20", samples: staggered },
    { name: "time to interactive, 20 at once", how: "n = 20", samples: atOnce },
  ];
}

async function together(n: number, work: (index: number) => Promise<number>): Promise<Samples> {
  const outcomes = await Promise.allSettled(Array.from({ length: n }, (_, index) => work(index)));
  return {
    milliseconds: outcomes.flatMap((o) => (o.status === "fulfilled" ? [o.value] : [])),
    failures: outcomes.filter((o) => o.status === "rejected").length,
  };
}

export async function running(daemon: BenchDaemon): Promise<Row[]> {
  await daemon.cli("create", "--name", "dev", ...shape);
  const cli = async (
    name: string,
    goal: number | undefined,
    published: string | undefined,
    args: string[],
  ) => {
    for (let warm = 0; warm < 3; warm += 1) await daemon.cli(...args);
    const samples = await measure(100, () => timed(() => daemon.cli(...args)));
    return row(name, "n = 100 after 3, wall time of the CLI", samples, goal, published);
  };
  const http = async (
    name: string,
    goal: number | undefined,
    published: string | undefined,
    method: string,
    path: string,
    payload?: object,
  ) => {
    const request = async () => {
      const answer = await daemon.api(method, path, payload);
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    };
    for (let warm = 0; warm < 3; warm += 1) await request();
    const samples = await measure(100, () => timed(request));
    return row(name, "n = 100 after 3, kept-alive HTTP", samples, goal, published);
  };
  const exec = (...words: string[]) => ["exec", "dev", "--", ...words];
  const rows = [
    ...(await besideCurl(daemon, exec("true"))),
    await cli("exec echo hello, CLI", undefined, "12.5 / 14", exec("echo", "hello")),
    await cli("exec cat /etc/hostname, CLI", undefined, "12.5 / 14", exec("cat", "/etc/hostname")),
    await cli("exec ls -laR /usr/bin, CLI", undefined, "16 / 18", exec("ls", "-laR", "/usr/bin")),
    await cli(
      "exec sha256sum /usr/bin/bash, CLI",
      undefined,
      "14.5 / 16",
      exec("sha256sum", "/usr/bin/bash"),
    ),
    await http("exec true, HTTP", 8, undefined, "POST", "/sandboxes/dev/exec", { cmd: ["true"] }),
    await cli("list, CLI", 11, "11", ["list"]),
    await cli("inspect, CLI", undefined, "10.7", ["inspect", "dev"]),
    await cli("version, CLI", 9, undefined, ["version"]),
    await http("GET /sandboxes", undefined, "1.4", "GET", "/sandboxes"),
    await http("GET /health", undefined, "0.43", "GET", "/health"),
  ];
  const published: Record<number, string> = { 5: "13", 10: "18", 20: "32" };
  for (const count of [5, 10, 20]) {
    const samples = await measure(30, () =>
      timed(() => all(count, () => daemon.cli(...exec("true")))),
    );
    rows.push(
      row(
        `${count} execs at once, CLI`,
        "n = 30, the whole batch",
        samples,
        count === 20 ? 220 : undefined,
        published[count],
      ),
    );
  }
  const batch = () =>
    all(20, async () => {
      const answer = await daemon.api("POST", "/sandboxes/dev/exec", { cmd: ["true"] });
      if (((await answer.json()) as { exit_code: number }).exit_code !== 0) throw new Error("exit");
    });
  await batch();
  rows.push(
    row(
      "20 execs at once, HTTP",
      "n = 30, the whole batch",
      await measure(30, () => timed(batch)),
      120,
    ),
  );
  return rows;
}

/** `exec true` by the CLI and the same request by curl, in turn. */
async function besideCurl(daemon: BenchDaemon, exec: string[]): Promise<Row[]> {
  const curl = [
    ...["curl", "--silent", "--fail", "--output", "/dev/null", "--json", '{"cmd":["true"]}'],
    ...["--header", `Authorization: Bearer ${daemon.key}`, `${daemon.url}/sandboxes/dev/exec`],
  ];
  const request = async () => {
    const code = await Bun.spawn(curl, { stdin: "ignore" }).exited;
    if (code !== 0) throw new Error(`curl: exit ${code}`);
  };
  const byCurl: Samples = { milliseconds: [], failures: 0 };
  for (let warm = 0; warm < 3; warm += 1) await daemon.cli(...exec);
  const byCli = await measure(100, async () => {
    byCurl.milliseconds.push(await timed(request));
    return await timed(() => daemon.cli(...exec));
  });
  const how = "n = 100 after 3, wall time of the process, in turn";
  return [row("exec true, CLI", how, byCli, 16, "12.5 / 14"), row("exec true, curl", how, byCurl)];
}

function row(name: string, how: string, samples: Samples, goal?: number, published?: string): Row {
  return {
    name,
    how,
    samples,
    ...(goal !== undefined && { goal }),
    ...(published && { published }),
  };
}

async function all(count: number, work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, work));
}

/** Megabytes, not milliseconds. */
export async function memory(daemon: BenchDaemon): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  const daemonMemory = await idleMemory([daemon.pid]);
  figures["daemon, resident MB"] = daemonMemory.resident;
  const names: string[] = [];
  for (const count of [1, 10]) {
    while (names.length < count) {
      const name = freshName();
      await daemon.cli("create", "--name", name);
      await daemon.cli("exec", name, "--", "true");
      names.push(name);
    }
    await Bun.sleep(10_000);
    const pids = await machinePids(daemon, names);
    const { proportional, cpuPercent } = await idleMemory(pids);
    figures[`${count} idle default sandbox${count > 1 ? "es" : ""}, proportional MB each`] =
      Math.round(proportional / count);
    figures[`${count} idle default sandbox${count > 1 ? "es" : ""}, % of one CPU each`] =
      Math.round((cpuPercent / count) * 10) / 10;
  }
  return figures;
}

export async function machinePids(daemon: BenchDaemon, names: string[]): Promise<number[]> {
  const sandboxes = (await (await daemon.api("GET", "/sandboxes")).json()) as {
    id: string;
    name: string;
    engine_id: string;
  }[];
  const wanted = sandboxes.filter(({ id, name }) => names.includes(name) || names.includes(id));
  return Promise.all(
    wanted.map(async ({ engine_id }) => {
      const record = Bun.file(`${daemon.dataDir}/sandboxes/${engine_id}/machine.json`);
      return ((await record.json()) as { pid: number }).pid;
    }),
  );
}

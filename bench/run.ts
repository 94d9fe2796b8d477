/** `bun bench/run.ts`: measures everything, prints one table and writes bench/results/latest.json. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { root, startBenchDaemon } from "./daemon.ts";
import { creating, interactive, memory, type Row, running } from "./scenarios.ts";
import { crowd, sleeping } from "./sleeping.ts";
import { summary } from "./statistics.ts";
import { working } from "./working.ts";

const rows: Row[] = [];
const note = (text: string) => console.error(`bench: ${text}`);
let megabytes: Record<string, number> = {};
let output: Record<string, number> = {};
let version: unknown;
{
  await using daemon = await startBenchDaemon({ poolSize: 1 });
  version = await (await daemon.api("GET", "/version")).json();
  note("create with a warm pool, destroy");
  rows.push(...(await creating(daemon, true)));
  note("exec, list, version, many at once");
  rows.push(...(await running(daemon)));
  note("keys, files, much output");
  const work = await working(daemon);
  rows.push(...work.rows);
  output = work.figures;
  note("time to interactive");
  rows.push(...(await interactive(daemon)));
}
let many: Record<string, number> = {};
{
  await using daemon = await startBenchDaemon({ poolSize: 0 });
  note("sleep, snapshots, forks");
  rows.push(...(await sleeping(daemon)));
  note("a hundred sandboxes");
  many = await crowd(daemon);
}
{
  await using daemon = await startBenchDaemon({ poolSize: 0 });
  note("create without a pool");
  rows.push(...(await creating(daemon, false)));
  note("memory");
  megabytes = { ...(await memory(daemon)), ...many, ...output };
}

const machine = {
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  memoryGB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  cache: "page cache warm",
};
const lines = [
  ["row", "p50 ms", "p99 ms", "n", "failed", "goal p50", "published p50 / p99"],
  ...rows.map(({ name, samples, goal, published }) => {
    const { p50, p99, n, failures } = summary(samples);
    const verdict = goal === undefined ? "" : `${goal}${p50 <= goal ? "" : " (missed)"}`;
    return [name, p50, p99, n, failures, verdict, published ?? ""].map(String);
  }),
];
const table = [
  `| ${lines[0]?.join(" | ")} |`,
  `|${"---|".repeat(lines[0]?.length ?? 0)}`,
  ...lines.slice(1).map((cells) => `| ${cells.join(" | ")} |`),
  "",
  ...Object.entries(megabytes).map(([name, figure]) => `- ${name}: ${figure}`),
].join("\n");
console.log(table);

await mkdir(join(root, "bench/results"), { recursive: true });
const report = {
  taken: new Date().toISOString(),
  machine,
  version,
  memory: megabytes,
  rows: rows.map(({ samples, ...row }) => ({
    ...row,
    ...summary(samples),
    samples: samples.milliseconds,
  })),
};
await writeFile(join(root, "bench/results/latest.json"), `${JSON.stringify(report, null, 1)}\n`);

const document = join(root, "docs/benchmarks.md");
const text = await readFile(document, "utf8").catch(() => "");
const marks = ["<!-- result -->", "<!-- end of result -->"] as const;
const [head, rest] = text.split(marks[0]);
const tail = rest?.split(marks[1])[1];
if (head !== undefined && tail !== undefined) {
  const where = `Taken ${report.taken.slice(0, 10)} on ${machine.cores} cores (${machine.cpu}), ${machine.memoryGB} GB, Linux ${machine.kernel}; ${JSON.stringify(version)}; ${machine.cache}.`;
  await writeFile(document, `${head}${marks[0]}\n${where}\n\n${table}\n${marks[1]}${tail}`);
}

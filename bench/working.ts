/** What goes on inside a sandbox all day: keys, files, directories, much output. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchDaemon, binary } from "./daemon.ts";
import { residentMB } from "./memory.ts";
import type { Row } from "./scenarios.ts";
import { measure, timed } from "./statistics.ts";
import { unreadAnswers } from "./unread.ts";

const megabyte = 1_000_000;
const name = "work";

/** The rows, and what of the daemon's memory much output takes. */
export async function working(
  daemon: BenchDaemon,
): Promise<{ rows: Row[]; figures: Record<string, number> }> {
  const folder = await mkdtemp(join(tmpdir(), "bhatti-bench-"));
  try {
    await daemon.cli("create", "--name", name, "--cpus", "1", "--memory", "512");
    const rows = [
      await keystroke(daemon),
      ...(await smallFiles(daemon, folder)),
      ...(await largeFiles(daemon, folder)),
      await directory(daemon, folder),
    ];
    const figures = { ...(await unreadAnswers(daemon, name)), ...(await slowReader(daemon)) };
    return { rows, figures };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** From a key to its echo, which the guest's terminal makes. */
async function keystroke(daemon: BenchDaemon): Promise<Row> {
  const socket = new WebSocket(
    `${daemon.url.replace("http", "ws")}/sandboxes/${name}/exec/stream`,
    { headers: { authorization: `Bearer ${daemon.key}` } } as never,
  );
  socket.binaryType = "arraybuffer";
  let arrived = Promise.withResolvers<void>();
  socket.onopen = () =>
    socket.send(JSON.stringify({ cmd: ["cat"], tty: { rows: 24, cols: 80 }, stdin: true }));
  socket.onmessage = () => arrived.resolve();
  await arrived.promise; // that it runs
  const key = () =>
    timed(async () => {
      arrived = Promise.withResolvers();
      socket.send(Uint8Array.of(0, 0x61));
      await arrived.promise;
    });
  for (let warm = 0; warm < 5; warm += 1) await key();
  const samples = await measure(200, key);
  socket.close();
  return { name: "keystroke echo", goal: 5, how: "n = 200, WebSocket", samples };
}

async function smallFiles(daemon: BenchDaemon, folder: string): Promise<Row[]> {
  const local = await localFile(folder, 100_000);
  await write(daemon, await localFile(folder, 1000), "/workspace/1k");
  await daemon.cli(
    "exec",
    name,
    "--",
    "sh",
    "-c",
    "mkdir many && cd many && seq 1000 | xargs touch",
  );
  const read = () => daemon.cli("file", "read", name, "/workspace/1k");
  const list = () => daemon.cli("file", "ls", name, "/workspace/many");
  const put = () => write(daemon, local, "/workspace/100k");
  return [
    await cli("file read 1 KB, CLI", 14, "12.4", read),
    await cli("file write 100 KB, CLI", 16, "13.7", put),
    await cli("file ls of 1,000 entries, CLI", 25, undefined, list),
  ];
}

async function cli(
  name: string,
  goal: number,
  published: string | undefined,
  work: () => Promise<void>,
): Promise<Row> {
  for (let warm = 0; warm < 3; warm += 1) await work();
  const samples = await measure(100, () => timed(work));
  const how = "n = 100 after 3, wall time of the CLI";
  return { name, goal, how, samples, ...(published && { published }) };
}

/** 100 MB: 1,000 ms are 100 MB/s. */
async function largeFiles(daemon: BenchDaemon, folder: string): Promise<Row[]> {
  const local = await localFile(folder, 100 * megabyte);
  const put = await measure(5, () => timed(() => write(daemon, local, "/workspace/100m")));
  const get = () => daemon.cli("file", "read", name, "/workspace/100m");
  await get();
  return [
    { name: "file write 100 MB, CLI", goal: 1250, how: "n = 5", samples: put },
    {
      name: "file read 100 MB, CLI",
      goal: 1000,
      how: "n = 5, in the guest's page cache",
      samples: await measure(5, () => timed(get)),
    },
  ];
}

async function directory(daemon: BenchDaemon, folder: string): Promise<Row> {
  const tree = join(folder, "tree");
  const text = "x".repeat(1000);
  for (let at = 0; at < 10_000; at += 1) {
    const path = join(tree, `${at % 100}`);
    if (at < 100) await mkdir(path, { recursive: true });
    await writeFile(join(path, `${at}.txt`), text);
  }
  const samples = await measure(3, (index) =>
    timed(() => daemon.cli("file", "push", name, tree, `/workspace/tree-${index}`)),
  );
  return { name: "file push of 10,000 files of 1 KB, CLI", goal: 10_000, how: "n = 3", samples };
}

/** 1 GB to a client that takes some 30 MB a second: megabytes that the daemon has grown by at most. */
async function slowReader(daemon: BenchDaemon): Promise<Record<string, number>> {
  const before = await residentMB(daemon.pid);
  const child = Bun.spawn(
    [binary, "exec", name, "--timeout", "600", "--", "head", "-c", "1000000000", "/dev/zero"],
    { env: daemon.env, stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  let [bytes, most] = [0, 0];
  for await (const chunk of child.stdout) {
    if (Math.floor((bytes + chunk.length) / megabyte) > Math.floor(bytes / megabyte)) {
      await Bun.sleep(33);
      most = Math.max(most, await residentMB(daemon.pid));
    }
    bytes += chunk.length;
  }
  if (bytes !== 1000 * megabyte) throw new Error(`${bytes} bytes came of 1 GB`);
  return { "1 GB to a slow client, daemon's growth in MB": Math.round(most - before) };
}

async function write(daemon: BenchDaemon, local: string, path: string): Promise<void> {
  await daemon.cliFrom(local, "file", "write", name, path);
}

async function localFile(folder: string, bytes: number): Promise<string> {
  const path = join(folder, `${bytes}`);
  await writeFile(path, Buffer.alloc(bytes, crypto.getRandomValues(Buffer.alloc(65_536))));
  return path;
}

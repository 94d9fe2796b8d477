import { expect, setDefaultTimeout, test } from "bun:test";
import { appendFile, mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileChange } from "../../src/agent/guest-files.ts";
import { failureOf } from "../support/failure.ts";
import { generous, run, until } from "../support/lohar.ts";
import { at, bytesOf, piecesOf, tarOf } from "../support/lohar-files.ts";
import { guest, here, lohar, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(120_000);

useOneLohar();

/** What is told of while something is done, up to the creation of a file `end` in the watched directory. */
async function changesOf(path: string, recursive: boolean, work: () => Promise<unknown>) {
  const changes: string[] = [];
  const watching = await guest.files.watch({ ...at(path), recursive }, generous());
  await work();
  await writeFile(here("end"), "");
  for await (const change of watching) {
    if (change.path === here("end")) break;
    changes.push(described(change));
  }
  return changes;
}

function described({ type, path, from, isDirectory }: FileChange): string {
  const short = (path: string) => path.slice(lohar.directory.length + 1);
  return [type, ...(from ? [short(from)] : []), short(path) + (isDirectory ? "/" : "")].join(" ");
}

test("what happens to files is told in order", async () => {
  await writeFile(here("old"), "");
  await mkdir(here("sub"));
  const changes = await changesOf(".", false, async () => {
    await writeFile(here("new"), "text");
    await rename(here("new"), here("newer"));
    await rm(here("newer"));
    await mkdir(here("dir"));
    await writeFile(here("sub/unseen"), "text");
    await symlink("nowhere", here("link"));
  });
  // Who is quick to look sees the same file change more than once.
  expect(changes.filter((change, i) => change !== changes[i - 1])).toEqual([
    "created new",
    "modified new",
    "moved new newer",
    "deleted newer",
    "created dir/",
    "created link",
  ]);
});

test("a write is one change, and its temporary file is not reported", async () => {
  const file = (path: string) => ({ path, mode: 0o644, user: "lohar" }) as const;
  const large = Buffer.alloc(3_000_000, "x");
  const changes = await changesOf(".", false, async () => {
    for (const content of [Buffer.from("new"), large, Buffer.from("")]) {
      await guest.writeFile(file("written"), content, generous());
    }
    const tar = tarOf({ path: "unpacked", content: "1" }, { path: "unpacked", content: "2" });
    await guest.files.unpack(at("."), piecesOf(tar), generous());
    await guest.files.copy(at("written"), here("unpacked"), generous());
  });
  const some = changes.filter(
    (change, i) => change !== changes[i - 1] || change.endsWith("written"),
  );
  expect(some).toEqual([
    "created written",
    "modified written",
    "modified written",
    "created unpacked",
    "modified unpacked",
  ]);
});

test("temporary files are in no list, no tar stream and no copy", async () => {
  const names = [".file.371.bhatti-tmp", "file.bhatti-tmp", ".other.tmp"];
  for (const name of names) await Bun.write(here(`tree/${name}`), "");
  const [, ...shown] = names;
  const { entries } = await guest.files.list(at("tree"), generous());
  expect(entries.map(({ name }) => name)).toEqual(shown.toSorted());
  await Bun.write(here("tree.tar"), await bytesOf(await guest.files.pack(at("tree"), generous())));
  expect((await run(guest, "tar -tf tree.tar")).stdout.toString().split("\n")).toEqual([
    ...shown.toSorted(),
    "",
  ]);
  await guest.files.copy({ ...at("tree"), recursive: true }, here("copy"), generous());
  expect((await readdir(here("copy"))).toSorted()).toEqual(shown.toSorted());
  await guest.files.remove({ ...at("tree"), recursive: true }, generous());
});

test("what comes from elsewhere or goes there is created or deleted", async () => {
  const elsewhere = join(tmpdir(), `bhatti-watch-${process.pid}`);
  await mkdir(here("sub"));
  const changes = await changesOf(".", true, async () => {
    await mkdir(here("sub/deep"));
    await rename(here("sub"), elsewhere);
    await writeFile(join(elsewhere, "deep/unseen"), "");
    await rename(elsewhere, here("back"));
    await writeFile(here("back/deep/seen"), "");
  });
  expect(changes.filter((change) => !change.includes("seen"))).toEqual([
    "created sub/deep/",
    "deleted sub/",
    "created back/",
    "created back/deep/",
  ]);
  expect(changes.at(-1)).toContain("back/deep/seen");
});

test("directories that appear are watched, with all that is in them already", async () => {
  const changes = await changesOf(".", true, async () => {
    await run(guest, "mkdir -p a/b/c && echo 1 > a/b/c/first && mv a z && echo 2 > z/b/second");
    await until(async () => (await Bun.file(here("z/b/second")).text()) === "2\n");
  });
  const created = changes.filter((change) => change.startsWith("created"));
  expect(created).toHaveLength(new Set(created).size);
  const names = created.map((change) => change.split("/").filter(Boolean).at(-1));
  expect(names.toSorted()).toEqual(["b", "c", "created a", "first", "second"].toSorted());
  expect(changes).toContain("moved a z/");
  expect(changes).toContain("created z/b/second");
});

test("a file that is written without pause is told of now and then, and at last", async () => {
  await writeFile(here("log"), "");
  const begun = performance.now();
  const changes = await changesOf(".", false, () =>
    run(guest, "for i in $(seq 2000); do echo line; done > log"),
  );
  const tenths = (performance.now() - begun) / 100;
  expect(changes[0]).toBe("modified log");
  expect(new Set(changes).size).toBe(1);
  // At once, then ten times a second, and at last.
  expect(changes.length).toBeLessThan(tenths + 3);
});

test("the last write to a file that stays open is told of", async () => {
  const watching = await guest.files.watch(at("."), generous());
  const writer = await guest.exec(
    {
      argv: ["sh", "-c", "exec > log; echo 1; read x; echo 2; read x"],
      stdin: true,
      timeoutMs: 0,
    },
    generous(),
  );
  const seen: string[] = [];
  for await (const { type } of watching) {
    seen.push(type);
    if (seen.length === 2) await writer.write(Buffer.from("\n"));
    if (seen.length === 3) break;
  }
  expect(seen).toEqual(["created", "modified", "modified"]);
  writer.release();
});

test("a file is watched through its being replaced", async () => {
  await writeFile(here("file"), "");
  const watching = await guest.files.watch({ ...at("file"), recursive: true }, generous());
  await writeFile(here("other"), "");
  await writeFile(here("new"), "text");
  await rename(here("new"), here("file"));
  await appendFile(here("file"), "more");
  const seen: string[] = [];
  for await (const change of watching) {
    seen.push(described(change));
    if (seen.length === 2) break;
  }
  expect(seen).toEqual(["moved new file", "modified file"]);
});

test("watching ends with the directory", async () => {
  await mkdir(here("dir"));
  const watching = await guest.files.watch({ ...at("dir"), recursive: true }, generous());
  await rm(here("dir"), { recursive: true });
  const seen: string[] = [];
  for await (const change of watching) seen.push(described(change));
  expect(seen).toEqual(["deleted dir/"]);
});

test("who does not look for long learns that changes were lost", async () => {
  const watching = await guest.files.watch(at("."), generous());
  await run(guest, `bash -c 'for i in {1..30000}; do : > f$i; done'`);
  const types = new Set<string>();
  for await (const { type } of watching) {
    types.add(type);
    if (type === "overflow") break;
  }
  expect(types).toContain("overflow");
});

test("what cannot be watched is refused", async () => {
  const watch = (path: string) => failureOf(guest.files.watch(at(path), generous()));
  expect((await watch("none")).code).toBe("path_not_found");
  await run(guest, "mkdir many && cd many && mkdir $(seq 8200)");
  const watching = guest.files.watch({ ...at("many"), recursive: true }, generous());
  expect(await failureOf(watching)).toMatchObject({
    code: "bad_request",
    message: expect.stringContaining("8,192"),
  });
});

test("nothing is left when nobody watches any more", async () => {
  const watching = await guest.files.watch({ ...at("."), recursive: true }, generous());
  watching.release();
  const children = Bun.file(`/proc/${lohar.pid}/task/${lohar.pid}/children`);
  await until(async () => (await children.text()).trim() === "");
  expect((await guest.files.list(at("."), generous())).entries).toEqual([]);
});

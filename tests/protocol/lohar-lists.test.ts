import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, symlink } from "node:fs/promises";
import type { FileList } from "../../src/agent/guest-files.ts";
import { failureOf } from "../support/failure.ts";
import { generous, run } from "../support/lohar.ts";
import { at } from "../support/lohar-files.ts";
import { guest, here, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(120_000);
useOneLohar();

test("a list is sorted and has the types of entries and the targets of links", async () => {
  await Bun.write(here("some/b"), "text");
  await mkdir(here("some/c"));
  await symlink("b", here("some/a"));
  await run(guest, "mkfifo some/d; printf x > \"$(printf 'some/e\\377')\"");
  const { entries, truncated } = await guest.files.list(at("some"), generous());
  expect(truncated).toBe(false);
  expect(entries.map(({ name, type }) => [name, type])).toEqual([
    ["a", "link"],
    ["b", "file"],
    ["c", "directory"],
    ["d", "other"],
    ["e\0ff", "file"],
  ]);
  expect(entries[0]?.target).toBe("b");
  expect(entries[1]).toMatchObject({ path: here("some/b"), size: 4, mode: 0o644, uid: 0 });
});

async function pagesOf(path: string, maxBytes?: number): Promise<FileList[]> {
  const pages: FileList[] = [];
  for (let after: string | undefined; ; ) {
    const page = { ...at(path), ...(maxBytes && { maxBytes }), ...(after && { after }) };
    const list = await guest.files.list(page, generous());
    pages.push(list);
    expect(list.truncated).toBe(list.next !== undefined);
    if (list.next === undefined) return pages;
    after = list.next;
  }
}

test("a list of 10,005 entries has two pages", async () => {
  await run(guest, "seq -f 'many/%06g' 1 10005 > names; mkdir many; xargs touch < names");
  const pages = await pagesOf("many");
  expect(pages.map(({ entries }) => entries.length)).toEqual([10_000, 5]);
  expect(pages.map(({ entries }) => entries.at(-1)?.name)).toEqual(["010000", "010005"]);
});

test("a page of a list ends at its byte limit, and pages lose no entry", async () => {
  await run(guest, `mkdir some; cd some; touch a "$(printf 'b\\377')" c d e; ln -s x f`);
  for (const maxBytes of [1, 150, 300, 100_000]) {
    const pages = await pagesOf("some", maxBytes);
    const names = pages.flatMap(({ entries }) => entries.map(({ name }) => name));
    expect(names).toEqual(["a", "b\0ff", "c", "d", "e", "f"]);
    expect(pages.length > 1).toBe(maxBytes < 1000);
  }
});

test("a list of links with long targets of control characters has pages of 4 MiB", async () => {
  const target = "\u{1}".repeat(4000);
  await mkdir(here("links"));
  for (let number = 0; number < 400; number += 1) await symlink(target, here(`links/${number}`));
  const pages = await pagesOf("links");
  expect(pages.map(({ entries }) => entries.length > 0)).toEqual([true, true, true]);
  for (const { entries } of pages) {
    expect(JSON.stringify(entries).length).toBeLessThan(4.2 * 1024 * 1024);
  }
  expect(pages.flatMap(({ entries }) => entries)).toHaveLength(400);
});

test("a cursor that no list gave is refused", async () => {
  const list = guest.files.list({ ...at("."), after: "no" }, generous());
  expect(await failureOf(list)).toMatchObject({ code: "bad_request" });
});

test("a list of a file, or of nothing, is refused", async () => {
  await Bun.write(here("file"), "");
  expect((await failureOf(guest.files.list(at("file"), generous()))).code).toBe("not_directory");
  expect((await failureOf(guest.files.list(at("none"), generous()))).code).toBe("path_not_found");
});

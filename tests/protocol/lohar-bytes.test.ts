/** Names and arguments that are not UTF-8, to the guest and back. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { bytesOf as fileBytes } from "../../src/contract/byte-text.ts";
import { generous, run } from "../support/lohar.ts";
import { at, bytesOf, piecesOf } from "../support/lohar-files.ts";
import { guest, here, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(120_000);

useOneLohar();

/** "a", a byte that is not UTF-8, "b". */
const odd = "a\0ffb";
const onDisk = (text = odd) => fileBytes(here(text));
const namesHere = () =>
  readdirSync(here(""), { encoding: "buffer" }).map((name) => name.toString("latin1"));

test("a list gives names back that read, stat and remove take", async () => {
  writeFileSync(onDisk(), "odd");
  writeFileSync(here("a\uFFFDb"), "other");
  await run(guest, "ln -s $(printf 'a\\377b') link");
  const { entries } = await guest.files.list(at("."), generous());
  expect(entries).toMatchObject([
    { name: "a\uFFFDb", type: "file" },
    { name: odd, type: "file" },
    { name: "link", type: "link", target: odd },
  ]);
  const [, entry] = entries;
  const path = entry?.path ?? "";
  const file = await guest.files.read(at(path), {}, generous());
  expect((await bytesOf(file)).toString()).toBe("odd");
  expect(await guest.files.stat(at(path), generous())).toMatchObject({ name: odd, path });
  await guest.files.remove(at(path), generous());
  expect(namesHere()).toHaveLength(2);
});

test("write, mkdir, copy, move, pack and unpack take such names", async () => {
  const file = { path: odd, mode: 0o644, user: "lohar", owner: "lohar" } as const;
  await guest.writeFile(file, Buffer.from("odd"), generous());
  expect(readFileSync(onDisk(), "utf8")).toBe("odd");
  await guest.files.makeDirectory(at("d\0fe"), generous());
  await guest.files.copy(at(odd), "d\0fe/copy\0fd", generous());
  await guest.files.move(at(odd), "moved\0fc", generous());
  expect(readFileSync(onDisk("d\0fe/copy\0fd"), "utf8")).toBe("odd");
  expect(namesHere().toSorted()).toEqual(["d\xfe", "moved\xfc"]);
  const tar = await bytesOf(await guest.files.pack(at("d\0fe"), generous()));
  await guest.files.unpack(at("new\0fb"), piecesOf(tar), generous());
  expect(readFileSync(onDisk("new\0fb/copy\0fd"), "utf8")).toBe("odd");
});

test("a watch names what has changed", async () => {
  const changes = await guest.files.watch(at("."), generous());
  writeFileSync(onDisk(), "odd");
  for await (const { type, path } of changes) {
    expect({ type, path }).toEqual({ type: "created", path: here(odd) });
    break;
  }
  changes.release();
});

test("an argument reaches its program as bytes", async () => {
  writeFileSync(onDisk(), "odd");
  const { exitCode, stdout } = await run(guest, ["cat", here(odd)]);
  expect({ exitCode, stdout: stdout.toString() }).toEqual({ exitCode: 0, stdout: "odd" });
});

test.each(["a\0", "a\0f", "a\u000041", "a\0FF"])(
  "a NUL that stands for no byte is refused: %j",
  async (path) => {
    const reading = guest.files.stat(at(path), generous());
    await expect(reading).rejects.toMatchObject({ code: "bad_request" });
  },
);

import { expect, setDefaultTimeout, test } from "bun:test";
import { FrameType } from "../../src/agent/frame.ts";
import { failureOf } from "../support/failure.ts";
import { generous, roundTrip, withFakeGuest } from "../support/fake-guest.ts";

setDefaultTimeout(120_000);

const known = { name: "a", type: "file", size: 3, uid: 1000, gid: 1000 };

test.each<[string, object, unknown]>([
  ["of this version", { path: "/d" }, ["a", "file", 3, 0o644, 1000, 1000, 1000]],
  ["of an earlier version", {}, { ...known, path: "/d/a", mode: "0644", mtime_ms: 1000 }],
])("what an agent %s lists", async (_which, opened, entry) => {
  await withFakeGuest(async (guest, host) => {
    const listing = host.files.list({ path: "/d", user: "lohar" }, generous());
    const { stream } = await guest.nextMessage(FrameType.open);
    guest.message(stream, FrameType.opened, opened);
    guest.output(stream, 1, `${JSON.stringify(entry)}\n`);
    guest.message(stream, FrameType.result, { entries: 1, truncated: false });
    expect(await listing).toEqual({
      entries: [{ ...known, type: "file", path: "/d/a", mode: 0o644, mtimeMs: 1000 }],
      truncated: false,
    });
  });
});

test("a list without end is truncated at the byte limit", async () => {
  await withFakeGuest(async (guest, host) => {
    const at = { path: "/d", user: "lohar", maxBytes: 1000 } as const;
    const listing = host.files.list(at, generous());
    const { stream } = await guest.nextMessage(FrameType.open);
    guest.message(stream, FrameType.opened, { path: "/d" });
    const line = `${JSON.stringify(["a", "file", 3, 0o644, 1000, 1000, 1000])}\n`;
    const lines = line.repeat(Math.floor(32_000 / line.length));
    for (let times = 0; times < 6; times += 1) guest.output(stream, 1, lines);
    const { entries, truncated, next } = await listing;
    expect({ truncated, next }).toEqual({ truncated: true, next: undefined });
    expect(entries.length).toBeLessThan(4000);
    let frame = await guest.next();
    while (frame.type === FrameType.credit) frame = await guest.next();
    expect(frame.type).toBe(FrameType.close);
    await roundTrip(guest, host);
  });
});

test.each([
  ["an entry that is malformed", "{}\n", "entry is malformed"],
  ["an entry without end", `["${"a".repeat(30_000)}`, "entry exceeds 128 KiB"],
])("a guest that lists %s loses its connection", async (_which, text, words) => {
  await withFakeGuest(async (guest, host) => {
    const listing = host.files.list({ path: "/d", user: "lohar" }, generous());
    const { stream } = await guest.nextMessage(FrameType.open);
    guest.message(stream, FrameType.opened, { path: "/d" });
    for (let times = 0; times < 6; times += 1) guest.output(stream, 1, text);
    const { code, message } = await failureOf(listing);
    expect(code).toBe("machine_lost");
    expect(message).toContain(words);
    expect((await host.closed).message).toBe(message);
  });
});

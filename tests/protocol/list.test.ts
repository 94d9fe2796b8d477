import { expect, setDefaultTimeout, test } from "bun:test";
import { FrameType } from "../../src/agent/frame.ts";
import { generous, withFakeGuest } from "../support/fake-guest.ts";

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

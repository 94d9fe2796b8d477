/** Images over the API. */

import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import type { Image } from "../../src/contract/images.ts";
import { databasePath } from "../../src/store/store.ts";
import { startFakeDaemon } from "../support/fake-daemon.ts";

test("every user sees the operator's images and their own, and no others", async () => {
  await using daemon = await startFakeDaemon();
  const bob = daemon.operator.users.create({ name: "bob" });
  const list = async (key: string) =>
    (await daemon.call<Image[]>("GET", "/images", undefined, key)).body;
  const [tiny] = await list(daemon.key);
  expect(tiny).toEqual({
    id: expect.stringMatching(/^img_/),
    user_id: "",
    name: "tiny",
    source: "test",
    size_mb: 64,
    digest: "sha256:tiny",
    created_at: expect.stringMatching(/Z$/),
  });
  using database = new Database(databasePath(daemon.dataDir));
  database.run(
    `INSERT INTO images (id, user_id, name, digest, source, path, size_mb, created_at)
     SELECT 'img_own', ?, 'own', digest, source, path, size_mb, created_at FROM images`,
    [bob.user.id],
  );
  expect((await list(bob.key)).map(({ name, user_id }) => [name, user_id])).toEqual([
    ["own", bob.user.id],
    ["tiny", ""],
  ]);
  expect((await list(daemon.key)).map(({ name }) => name)).toEqual(["tiny"]);
  expect((await fetch(`${daemon.url}/images`)).status).toBe(401);
});

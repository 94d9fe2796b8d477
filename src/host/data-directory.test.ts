import { expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareDataDirectory } from "./data-directory.ts";

async function prepared(...files: string[]): Promise<{ error: string; mode: number }> {
  const folder = await mkdtemp(join(tmpdir(), "bhatti-data-"));
  try {
    await chmod(folder, 0o755);
    for (const file of files) {
      if (file.endsWith("/")) await mkdir(join(folder, file));
      else await writeFile(join(folder, file), "");
    }
    const error = await prepareDataDirectory(folder).then(
      () => "",
      (cause: Error) => cause.message.replace(folder, "DIR"),
    );
    return { error, mode: (await stat(folder)).mode & 0o777 };
  } finally {
    await rm(folder, { recursive: true });
  }
}

test.each([[[]], [["lost+found/"]], [["bhatti.db", "notes"]], [["kernel/"]], [["daemon.lock"]]])(
  "a directory with %j is closed to others",
  async (files) => {
    expect(await prepared(...files)).toEqual({ error: "", mode: 0o700 });
  },
);

test("a directory with other files is refused and left as it is", async () => {
  expect(await prepared("notes")).toEqual({
    error: "Cannot use DIR as the data directory: it has other files, such as notes",
    mode: 0o755,
  });
});

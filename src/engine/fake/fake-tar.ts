/** A fake guest's files as a tar stream, and back. */
import { createTarDecoder, packTar } from "modern-tar";
import type { FileOwner } from "../../agent/guest-files.ts";
import { BhattiError, messageOf } from "../../errors/bhatti-error.ts";
import type { FakeFile } from "./fake-programs.ts";

export function tarOf(files: (readonly [name: string, file: FakeFile])[]): Promise<Uint8Array> {
  return packTar(
    files.map(([name, { kind, target, mode, mtimeMs, content }]) => ({
      header: {
        name,
        mode,
        mtime: new Date(mtimeMs ?? 0),
        size: content.length,
        type: kind === "directory" ? "directory" : target === undefined ? "file" : "symlink",
        ...(target !== undefined && { linkname: target }),
      },
      body: content,
    })),
  );
}

const special = ["fifo", "character-device", "block-device"];

/** What is special has no file. Throws bad_request when it is no tar stream, unsafe_path when a name leads out of it. */
export async function* untar(
  content: AsyncIterable<Uint8Array>,
  user: FileOwner,
): AsyncGenerator<[name: string, file?: FakeFile]> {
  const pieces = content[Symbol.asyncIterator]();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await pieces.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: async () => void (await pieces.return?.()),
  });
  try {
    for await (const { header, body } of stream.pipeThrough(createTarDecoder({ strict: true }))) {
      if (header.name.split("/").includes("..")) {
        throw new BhattiError("unsafe_path", `${header.name} leads out of the directory`);
      }
      const { type = "file", mode = 0o644, linkname } = header;
      const bytes = await new Response(body).bytes();
      if (special.includes(type)) {
        yield [header.name];
        continue;
      }
      yield [
        header.name.replace(/\/$/, ""),
        {
          content: bytes,
          mode: mode & 0o7777,
          mtimeMs: header.mtime?.getTime() ?? 0,
          user,
          ...(type === "directory" && { kind: "directory" as const }),
          ...(type === "symlink" && { target: linkname ?? "" }),
        },
      ];
    }
  } catch (error) {
    if (error instanceof BhattiError) throw error;
    throw new BhattiError("bad_request", `it is no tar stream: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

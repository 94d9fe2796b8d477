/** The file endpoints, bound to the service. */
import { endpoints } from "../../contract/all.ts";
import { maximumFileBytes } from "../../contract/file-limits.ts";
import type { FileChange as Change, FileEntry as Entry } from "../../contract/files.ts";
import type {
  FileChange,
  FileEntry,
  FileSelection,
  Files,
  GuestPath,
  Place,
} from "../../services/files.ts";
import type { User } from "../../services/users.ts";
import { type Binder, implement } from "../implement.ts";
import type { RequestContext } from "../request.ts";
import { bodyOf, sizedBody } from "../request-body.ts";
import { respondWithBytes } from "../streams/byte-response.ts";
import { respondWithItems } from "../streams/json-lines.ts";

const done = { status: "ok" as const };

export function bindFiles(binder: Binder, files: Files): void {
  bindReading(binder, files);
  bindStreams(binder, files);

  implement(binder, endpoints["file.write"], async (call) => {
    const { query } = call;
    const signal = call.signal();
    const content = sizedBody(call.context.req.raw, maximumFileBytes, signal);
    const mode = modeIn(query.mode);
    const keep = mode === undefined ? ("all" as const) : ("owner" as const);
    const file = { ...pathIn(query), mode: mode ?? 0o644, keep };
    await files.write(placeOf(call), file, content, signal);
    return done;
  });
  implement(binder, endpoints["file.remove"], async (call) => {
    const { query } = call;
    const recursive = query.recursive === "true";
    await files.remove(placeOf(call), { ...pathIn(query), recursive }, call.signal());
    return done;
  });
  implement(binder, endpoints["file.mkdir"], async (call) => {
    const { path, parents, as_root, ...body } = call.body;
    const mode = modeIn(body.mode);
    const at = { path, user: userOf(as_root), parents, ...(mode !== undefined && { mode }) };
    await files.makeDirectory(placeOf(call), at, call.signal());
    return done;
  });
  implement(binder, endpoints["file.move"], async (call) => {
    const { from, to, as_root } = call.body;
    const source = { path: from, user: userOf(as_root) };
    await files.move(placeOf(call), source, to, call.signal());
    return done;
  });
  implement(binder, endpoints["file.copy"], async (call) => {
    const { from, to, as_root, recursive } = call.body;
    const source = { path: from, user: userOf(as_root), recursive };
    await files.copy(placeOf(call), source, to, call.signal());
    return done;
  });
}

function bindReading(binder: Binder, files: Files): void {
  implement(binder, endpoints["file.read"], async (call) => {
    const { query, context } = call;
    const [place, at, signal] = [placeOf(call), pathIn(query), call.signal()];
    if (context.req.method === "HEAD") {
      return new Response(null, { headers: headersOf(await files.stat(place, at, signal)) });
    }
    if (query.ls === "true") {
      const page = { ...at, ...(query.after !== undefined && { after: query.after }) };
      const { entries, truncated, next } = await files.list(place, page, signal);
      return call.answer(entries.map(presented), {
        headers: {
          "X-Bhatti-Truncated": String(truncated),
          ...(next !== undefined && { "X-Bhatti-Next": next }),
        },
      });
    }
    const content = await files.read(place, at, selectionIn(query), signal);
    return await respondWithBytes(content, {
      headers: {
        "Content-Type": "application/octet-stream",
        ...headersOf({ type: "file", size: content.size, mode: content.mode }),
      },
      ...(content.bytes !== undefined && { length: content.bytes }),
      signal,
    });
  });
  implement(binder, endpoints["file.stat"], async (call) => {
    const { query } = call;
    const at = { ...pathIn(query), follow: query.follow !== "false" };
    return presented(await files.stat(placeOf(call), at, call.signal()));
  });
}

function bindStreams(binder: Binder, files: Files): void {
  implement(binder, endpoints["file.pull"], async (call) => {
    const signal = call.signal();
    const at = { ...pathIn(call.query), sparse: call.query.sparse === "true" };
    const tar = await files.pack(placeOf(call), at, signal);
    return await respondWithBytes(tar, {
      headers: { "Content-Type": "application/x-tar" },
      signal,
    });
  });
  implement(binder, endpoints["file.push"], async (call) => {
    const signal = call.signal();
    const content = bodyOf(call.context.req.raw, signal);
    const result = await files.unpack(placeOf(call), pathIn(call.query), content, signal);
    const { skipped, ...transferred } = result;
    return { ...transferred, ...(skipped > 0 && { skipped }) };
  });
  implement(binder, endpoints["file.watch"], async (call) => {
    const { query, context, requestId } = call;
    const signal = call.signal();
    const at = { ...pathIn(query), recursive: query.recursive === "true" };
    const changes = await files.watch(placeOf(call), at, signal);
    const log = context.get("log");
    return respondWithItems(changes, presentedChange, { requestId, log, signal });
  });
}

/** A warning about how the sandbox came to run goes into the header that all endpoints have for it. */
function placeOf(call: { user: User; params: { ref: string }; context: RequestContext }): Place {
  const { user, params, context } = call;
  const warn = (text: string) => {
    context.set("warning", text);
  };
  return { user, ref: params.ref, warn };
}

interface PathQuery {
  path: string;
  as_root?: "true" | "false" | undefined;
}

function userOf(asRoot: boolean): GuestPath["user"] {
  return asRoot ? "root" : "lohar";
}

function pathIn({ path, as_root }: PathQuery): GuestPath {
  return { path, user: userOf(as_root === "true") };
}

function modeIn(written: string | undefined): number | undefined {
  return written === undefined ? undefined : Number.parseInt(written, 8);
}

function selectionIn(query: {
  offset?: number | undefined;
  limit?: number | undefined;
  max_bytes?: number | undefined;
}): FileSelection {
  return {
    ...(query.offset !== undefined && { offset: query.offset }),
    ...(query.limit !== undefined && { limit: query.limit }),
    ...(query.max_bytes !== undefined && { maxBytes: query.max_bytes }),
  };
}

function headersOf({ type, size, mode }: Pick<FileEntry, "type" | "size" | "mode">) {
  return {
    "X-File-Size": String(size),
    "X-File-Mode": octal(mode),
    "X-File-IsDir": String(type === "directory"),
  };
}

const octal = (mode: number) => mode.toString(8).padStart(4, "0");

function presented({ mode, mtimeMs, ...entry }: FileEntry): Entry {
  return {
    ...entry,
    is_dir: entry.type === "directory",
    mode: octal(mode),
    mtime: Math.floor(mtimeMs / 1000),
  };
}

function presentedChange({ isDirectory, ...change }: FileChange): Change {
  return { ...change, is_dir: isDirectory };
}

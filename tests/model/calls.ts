/** The calls of the API that users' requests are, and what their answers say. */
import type { Sandbox } from "../../src/contract/sandboxes.ts";
import type { Operation, Reply, SeenSandbox } from "./operations.ts";

export interface Answer {
  code?: string;
  stdout?: string;
  exit_code?: number;
}

export interface Call {
  method: string;
  path: string;
  body?: unknown;
  shows(answer: Answer): string | undefined;
}

/** The command lines that do it in a guest. `read` and `recall` fail when there is nothing. */
export interface Programs {
  write(path: string, text: string): string[];
  read(path: string): string[];
  remember(key: string, text: string): string[];
  recall(key: string): string[];
}

/** Undefined for what nobody asks for. */
export function callFor(operation: Operation, programs: Programs): Call | undefined {
  const on = (ref: string) => `/sandboxes/${ref}`;
  switch (operation.do) {
    case "create":
      return post("/sandboxes", { name: operation.name });
    case "write":
      return exec(operation.ref, programs.write(operation.path, operation.text));
    case "read":
      return exec(operation.ref, programs.read(operation.path));
    case "remember":
      return exec(operation.ref, programs.remember(operation.key, operation.text));
    case "recall":
      return exec(operation.ref, programs.recall(operation.key));
    case "stop":
      return post(`${on(operation.ref)}/stop`);
    case "start":
      return post(`${on(operation.ref)}/start`, { force: operation.force });
    case "rename":
      return patch(operation.ref, { name: operation.name });
    case "label":
      return patch(operation.ref, { labels_add: { model: operation.value } });
    case "keep-hot":
      return patch(operation.ref, { keep_hot: operation.on });
    case "live":
      return patch(operation.ref, { ttl_s: operation.seconds });
    case "keep":
      return post(`${on(operation.ref)}/checkpoint`, {
        name: operation.name,
        type: operation.kind,
      });
    case "resume":
      return post(`/snapshots/${operation.snapshot}/resume`, { name: operation.name });
    case "restore":
      return post(`/snapshots/${operation.snapshot}/restore`, { sandbox: operation.ref });
    case "drop":
      return call("DELETE", `/snapshots/${operation.snapshot}`);
    case "fork":
      return post(`${on(operation.ref)}/fork`, { name: operation.name, count: operation.count });
    case "destroy":
      return call("DELETE", on(operation.ref));
    default:
      return undefined;
  }
}

function call(method: string, path: string, body?: unknown): Call {
  return { method, path, body, shows: () => undefined };
}

const post = (path: string, body?: unknown) => call("POST", path, body);
const patch = (ref: string, body: unknown) => call("PATCH", `/sandboxes/${ref}`, body);

function exec(ref: string, cmd: string[]): Call {
  const shows = ({ exit_code: code, stdout }: Answer) => (code === 0 ? stdout : "nothing");
  return { ...post(`/sandboxes/${ref}/exec`, { cmd }), shows };
}

export function replyOf({ shows }: Call, status: number, answer: Answer): Reply {
  if (status >= 400) return { status, ...(answer.code !== undefined && { code: answer.code }) };
  const output = shows(answer);
  return { status, ...(output !== undefined && { output }) };
}

export function seen(sandbox: Sandbox): SeenSandbox {
  const { name, status, thermal, labels, keep_hot: keepHot } = sandbox;
  return { name, status, thermal, label: labels?.["model"], keepHot };
}

/** Requests about operations. */
import type { Operation } from "../../src/contract/operations.ts";
import type { FakeDaemon } from "./fake-daemon.ts";

/** A POST that does not wait for its operation. */
export async function beginOperation(daemon: FakeDaemon, path: string, body?: object) {
  const response = await daemon.fetch(path, {
    method: "POST",
    headers: { prefer: "respond-async" },
    ...(body && { body: JSON.stringify(body) }),
  });
  const { status, headers } = response;
  return { status, headers, body: (await response.json()) as Operation };
}

export async function operationsOf(daemon: FakeDaemon, query = ""): Promise<Operation[]> {
  return (await daemon.call<Operation[]>("GET", `/operations${query}`)).body;
}

export async function operationOf(daemon: FakeDaemon, id: string, query = ""): Promise<Operation> {
  return (await daemon.call<Operation>("GET", `/operations/${id}${query}`)).body;
}

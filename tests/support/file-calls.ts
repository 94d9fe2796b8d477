/** Calls of the file endpoints of sandbox `dev`, as a client of another language would make them. */
import type { FakeDaemon, Refusal } from "./fake-daemon.ts";

type Query = Record<string, string>;

export function fileCalls(daemon: () => FakeDaemon) {
  const at = (path: string, query: Query = {}, below = "") =>
    `/sandboxes/dev/files${below}?${new URLSearchParams({ path, ...query })}`;
  return {
    at,
    put: (path: string, body: string | Uint8Array<ArrayBuffer>, query: Query = {}) =>
      daemon().fetch(at(path, query), { method: "PUT", body }),
    get: (path: string, query: Query = {}) => daemon().fetch(at(path, query)),
    post: (what: string, body: object) =>
      daemon().call<Refusal & { status: string }>("POST", `/sandboxes/dev/files/${what}`, body),
    isInUse: async () =>
      JSON.stringify((await daemon().call("GET", "/sandboxes/dev")).body).includes("in use: files"),
    /** Destroys what there is and makes a new one. */
    async renew(): Promise<void> {
      const { body } = await daemon().call<{ name: string }[]>("GET", "/sandboxes");
      for (const { name } of body) await daemon().call("DELETE", `/sandboxes/${name}`);
      await daemon().create({ name: "dev" });
    },
  };
}

export async function refused(response: Response): Promise<Refusal & { status: number }> {
  return { ...((await response.json()) as Refusal), status: response.status };
}

import { afterEach, expect, test } from "bun:test";
import type { Server, Socket } from "bun";
import { BhattiError } from "../../errors/bhatti-error.ts";
import type { RequestContext } from "../request.ts";
import { type Answering, answerJson, answerShared } from "./answer.ts";
import { AnswerBudget } from "./answer-budget.ts";

const megabyte = 1_048_576;
const limits = { userAnswerBytes: 7 * megabyte, answerBytes: 16 * megabyte };
const links = Array.from({ length: 2000 }, (_, index) => ({
  name: `link-${index}`,
  target: "\u0001".repeat(2000),
}));
const open: Disposable[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one[Symbol.dispose]();
});

function serve(respond: (answering: Answering) => Response) {
  const budget = new AnswerBudget(limits);
  const server = Bun.serve({
    port: 0,
    fetch(request: Request, self: Server<undefined>) {
      const context = {
        req: { raw: request, method: request.method },
        env: { server: self },
        get: () => ({ id: "usr_1" }),
      } as unknown as RequestContext;
      try {
        return respond({ context, budget, stalledSeconds: 4, signal: request.signal });
      } catch (error) {
        return new Response(error instanceof BhattiError ? error.code : "fault", { status: 429 });
      }
    },
  });
  open.push({ [Symbol.dispose]: () => void server.stop(true) });
  const unread = async (method = "GET") => {
    const begun = Promise.withResolvers<string>();
    const socket: Socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: server.port ?? 0,
      socket: {
        data(self, data) {
          self.pause();
          begun.resolve(data.toString("latin1", 0, 12));
        },
      },
    });
    open.push({ [Symbol.dispose]: () => void socket.end() });
    socket.write(`${method} / HTTP/1.1\r\nHost: x\r\n\r\n`);
    return await begun.promise;
  };
  return { url: server.url, budget, unread };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await Bun.sleep(5);
}

test("a long answer is complete, and counts until it was read", async () => {
  const { url, budget } = serve((answering) => answerJson(answering, links));
  const response = await fetch(url);
  expect(await response.json()).toEqual(links);
  await until(() => budget.total === 0);
});

test("unread answers are refused beyond the limit, and cut after the time", async () => {
  const { budget, unread } = serve((answering) => answerJson(answering, links));
  expect(await unread()).toBe("HTTP/1.1 200");
  expect(budget.total).toBeWithin(4_000_000, 5_000_000);
  expect(await unread()).toBe("HTTP/1.1 429");
  await until(() => budget.total === 0);
  expect(await unread()).toBe("HTTP/1.1 200");
}, 60_000);

test("the answer to a request that changed something is never refused", async () => {
  const { budget, unread } = serve((answering) => answerJson(answering, links));
  for (let count = 0; count < 4; count += 1) expect(await unread("POST")).toBe("HTTP/1.1 200");
  expect(budget.total).toBeGreaterThan(16_000_000);
  expect(await unread()).toBe("HTTP/1.1 429");
});

test("an unread answer takes little more memory than what it is made of", async () => {
  const texts = ["\u0001".repeat(7 * megabyte)];
  const { unread } = serve((answering) => answerJson(answering, texts));
  const before = process.memoryUsage().rss;
  for (let count = 0; count < 10; count += 1) expect(await unread("POST")).toBe("HTTP/1.1 200");
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * megabyte);
});

test("a short answer has a length and does not count", async () => {
  const { url, budget } = serve((answering) =>
    answerJson(answering, { ok: true }, { status: 201 }),
  );
  const response = await fetch(url);
  expect(response.status).toBe(201);
  expect(response.headers.get("content-length")).toBe("11");
  expect(budget.total).toBe(0);
});

test("the answer to HEAD has no body and does not count", async () => {
  const { url, budget } = serve((answering) => answerJson(answering, links));
  const response = await fetch(url, { method: "HEAD" });
  expect(response.status).toBe(200);
  expect(await response.text()).toBe("");
  expect(budget.total).toBe(0);
});

test("a reservation is released with its answer, short or long, read or not", async () => {
  const kept = { grow: () => true, release: () => {} };
  let released = 0;
  const reservation = {
    ...kept,
    release: () => {
      released += 1;
    },
  };
  let value: unknown = 1;
  const { url, unread } = serve((answering) => answerJson(answering, value, { reservation }));
  await (await fetch(url)).text();
  expect(released).toBe(1);
  value = links;
  await (await fetch(url)).text();
  await until(() => released === 2);
  await unread();
  await until(() => released > 2);
}, 60_000);

test("shared content is complete and never counts", async () => {
  const content = [new Uint8Array(3 * megabyte).fill(1), Uint8Array.of(2), new Uint8Array(7)];
  const { url, budget, unread } = serve((answering) =>
    answerShared(answering, content, { "Content-Type": "text/plain" }),
  );
  const bytes = await (await fetch(url)).bytes();
  expect(Buffer.compare(bytes, Buffer.concat(content))).toBe(0);
  for (let count = 0; count < 20; count += 1) expect(await unread()).toBe("HTTP/1.1 200");
  expect(budget.total).toBe(0);
});

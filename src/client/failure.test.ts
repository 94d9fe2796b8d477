import { expect, test } from "bun:test";
import { catalogue } from "../errors/catalogue.ts";
import { DaemonError, failureOf } from "./failure.ts";

const statuses = [...new Set(Object.values(catalogue).map(({ status }) => status))];

test.each(statuses)("status %d has a phrase of ours", (status) => {
  const { statusText } = new DaemonError(status, { error: "", code: "x" }, "HM");
  expect(statusText).toMatch(/^[A-Z][a-z]+( [A-Z][a-z]+)*$/);
  expect(statusText).not.toBe("HM");
});

test("an unknown status has the daemon's phrase", async () => {
  const body = '{"error":"short and stout","code":"teapot"}';
  const response = new Response(body, { status: 418, statusText: "I'm a Teapot" });
  expect(await failureOf(response, "http://x")).toMatchObject({ statusText: "I'm a Teapot" });
});

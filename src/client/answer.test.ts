import { expect, test } from "bun:test";
import { isBhattiError } from "../errors/bhatti-error.ts";
import { answerIn, eventIn } from "./answer.ts";
import { DaemonError } from "./failure.ts";

test.each<[Parameters<typeof answerIn>[0], string, object | undefined]>([
  ["sandbox.list", "null", []],
  ["sandbox.list", '[{"name":"a","labels":null},null]', [{ name: "a" }]],
  ["sandbox.list", "{}", undefined],
  ["sandbox.list", "[1]", undefined],
  ["sandbox.get", '{"urls":[null,"u"],"share":{"expires_at":null}}', { urls: ["u"], share: {} }],
  ["sandbox.get", "[]", undefined],
  ["sandbox.get", "null", undefined],
  ["sandbox.get", '"text"', undefined],
  ["sandbox.get", "{", undefined],
])("an answer to %s that is %s is %j", (id, text, answer) => {
  expect(answerIn(id, text)).toEqual(answer);
});

const event = (text: string) => eventIn(text, "http://h", { exit: ["exit_code"] });

test("an event has its type and the fields that its type requires", () => {
  expect(event('{"type":"exit","exit_code":0}')).toEqual({ type: "exit", exit_code: 0 } as never);
  expect(event('{"type":"session","session_id":null}')).toEqual({ type: "session" });
});

test.each(['{"type":"exit"}', '{"type":null}', "{}", "[]", "null", "{", ""])(
  "the event %j is refused with its text",
  (text) => {
    const message = `unknown message ${JSON.stringify(text)} from http://h`;
    expect(() => event(text)).toThrow(message);
    try {
      event(text);
    } catch (error) {
      expect(isBhattiError(error, "not_bhatti")).toBe(true);
    }
  },
);

test.each([
  ['{"type":"error","error":"a","code":"machine_lost"}', "a", "machine_lost", 502],
  ['{"type":"error","message":"sandbox not found"}', "sandbox not found", "sandbox_not_found", 404],
  ['{"type":"error","data":"c"}', "c", "internal", 500],
  ['{"type":"error"}', "the daemon names no reason", "internal", 500],
])("the error event %s has a message, a code and a status", (text, message, code, status) => {
  try {
    event(text);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(DaemonError);
    expect(error).toMatchObject({ message, code, status });
  }
});

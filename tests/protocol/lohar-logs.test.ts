/** Logs of a real lohar's sessions: read, followed, and taken up again where they were left. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { failureOf } from "../support/failure.ts";
import { generous, logOf, read } from "../support/lohar.ts";
import { guest, useOneLohar } from "../support/one-lohar.ts";

setDefaultTimeout(240_000);

useOneLohar();

function start(script: string) {
  const request = { argv: ["sh", "-c", script], stdin: true, timeoutMs: 0, session: true };
  return guest.exec(request, generous());
}

test("a log has all of it, its end, and what comes", async () => {
  const session = await start("cat");
  void session.write(Buffer.from("one\n"));
  await read(session, 4);
  expect((await logOf(guest, session.session)).toString()).toBe("one\n");
  expect((await logOf(guest, session.session, { tail: 2 })).toString()).toBe("e\n");
  const followed = logOf(guest, session.session, { follow: true });
  void session.write(Buffer.from("two\n"));
  session.closeStdin();
  expect((await followed).toString()).toBe("one\ntwo\n");
  expect(await failureOf(logOf(guest, "sess-none"))).toMatchObject({ code: "session_not_found" });
});

test("a log goes on from where an earlier stream left off", async () => {
  const session = await start("cat");
  void session.write(Buffer.from("one\ntwo\n"));
  await read(session, 8);
  const { session: id } = session;
  const from = async (offset: number) => {
    const log = await guest.readLog({ session: id, from: offset }, generous());
    return { offset: log.offset, text: Buffer.concat(await Array.fromAsync(log)).toString() };
  };
  expect(await from(4)).toEqual({ offset: 4, text: "two\n" });
  expect(await from(8)).toEqual({ offset: 8, text: "" });
  // There never was so much of it: it is another log than the one that was left.
  expect(await from(9)).toEqual({ offset: 0, text: "one\ntwo\n" });
  const tail = await guest.readLog({ session: id, follow: true, tail: 4 }, generous());
  expect(tail.offset).toBe(4);
  tail.release();
  await guest.kill(id, "KILL", generous());
});

test("a log that is let go of does not look as if it were complete", async () => {
  const session = await start("cat");
  const bytes = await guest.readLog({ session: session.session, follow: true }, generous());
  const reading = bytes[Symbol.asyncIterator]().next();
  bytes.release();
  expect(await failureOf(reading)).toMatchObject({ code: "cancelled" });
  await guest.kill(session.session, "KILL", generous());
});

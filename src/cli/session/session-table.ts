/** Sessions as a person reads them. */
import type { Received } from "../../client/answer.ts";
import type { Session } from "../../contract/sessions.ts";
import { since } from "../terminal/moment.ts";
import { type Column, table } from "../terminal/table.ts";

const commandWidth = 40;

export type ReceivedSession = Received<Session>;

const columns: Column<ReceivedSession>[] = [
  ["ID", 10, (session) => session.session_id ?? "-"],
  ["COMMAND", commandWidth, ({ argv = "-" }) => shortened(argv)],
  ["RUNNING", 7, ({ running }) => yesNo(running)],
  ["ATTACHED", 8, ({ attached }) => yesNo(attached)],
  ["KIND", 8, ({ kind = "-" }) => kind],
  ["STARTED", 7, ({ created_at: at }) => (at === undefined ? "-" : `${since(at)} ago`)],
];
const exit: Column<ReceivedSession> = ["EXIT", 0, (session) => ending(session)];

/** With `all`, how they ended too. */
export function sessionTable(sessions: readonly ReceivedSession[], all: boolean): string {
  return table(all ? [...columns, exit] : columns, sessions);
}

/** On one line, as wide as the table's column at most. */
export function shortened(text: string): string {
  const characters = [...text];
  if (characters.length <= commandWidth) return text;
  return `${characters.slice(0, commandWidth - 1).join("")}…`;
}

function yesNo(is: boolean | undefined): string {
  return is ? "yes" : "no";
}

function ending({ running, exit_code, reason, signal }: ReceivedSession): string {
  if (running) return "-";
  if (reason === undefined || reason === "exited") return String(exit_code ?? "-");
  return `${exit_code ?? "-"} (${signal ?? reason})`;
}

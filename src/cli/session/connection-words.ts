/** What a person hears of a connection that is lost, and made again by itself. */

export const lostWords = "connection lost, reconnecting…";

export function regainedWords(complete: boolean): string {
  return complete ? "reconnected" : "reconnected; some output was lost";
}

/** A log keeps only its end. */
export function droppedWords(bytes: number): string {
  return `The first ${bytes} bytes are missing: a log keeps the last 20 MB`;
}

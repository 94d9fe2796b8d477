/** What a person hears of a connection that is lost, and made again by itself. */

export const lostWords = "connection lost, reconnecting…";

export function regainedWords(complete: boolean): string {
  return complete ? "reconnected" : "reconnected; some output was lost";
}

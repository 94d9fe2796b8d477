/** What a person hears of a connection that is lost, and made again by itself. */

export const lostWords = "connection lost, trying again…";

export function regainedWords(complete: boolean): string {
  return complete ? "connected again" : "connected again; some output in between is no longer kept";
}

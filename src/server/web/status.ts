/** What the bar over the terminal says, and the button in it. */

/** How things stand: the dot's colour, and whether the terminal is dimmed. */
export type Mood = "good" | "busy" | "bad";

const parts = {
  name: byId("name"),
  status: byId("status"),
  readOnly: byId("read-only"),
  again: byId("again"),
};

export function say(mood: Mood, text: string): void {
  document.body.dataset["mood"] = mood;
  parts.status.textContent = text;
}

export function introduce(sandbox: string, readOnly: boolean): void {
  document.title = `${sandbox} · bhatti`;
  parts.name.textContent = sandbox;
  parts.readOnly.hidden = !readOnly;
}

/** With a label the button is there, and does that when it is pressed; without one it is gone. */
export function offer(label?: string, work?: () => void): void {
  parts.again.hidden = label === undefined;
  parts.again.textContent = label ?? "";
  parts.again.onclick = work ?? null;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

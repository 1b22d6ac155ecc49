/** Commands of the page, and how a few typed letters find them. */

export interface Command {
  readonly title: string;
  /** What it belongs to: Panel, Layout, View, Board ... */
  readonly group: string;
  readonly keys?: string;
  readonly run: () => void;
}

/** Return `commands` that hold all letters of `typed` in order, the closest first. */
export function found(commands: readonly Command[], typed: string): readonly Command[] {
  const wanted = typed.trim().toLowerCase();
  if (wanted === '') return commands;
  return commands
    .map((command) => ({ command, score: closeness(`${command.group} ${command.title}`, wanted) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .map(({ command }) => command);
}

/** Return how close `typed` is to `text`: 0 if a letter is missing, more for whole words. */
export function closeness(text: string, typed: string): number {
  const low = text.toLowerCase();
  const whole = low.indexOf(typed);
  if (whole >= 0) return 1000 - whole - low.length / 100 + (low[whole - 1] === ' ' ? 200 : 0);
  let at = -1;
  let score = 1;
  for (const letter of typed.replaceAll(' ', '')) {
    const next = low.indexOf(letter, at + 1);
    if (next < 0) return 0;
    score += next === at + 1 ? 3 : low[next - 1] === ' ' ? 2 : 0;
    at = next;
  }
  return score;
}

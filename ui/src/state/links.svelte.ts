/** Link colours: panels of one colour look at one symbol, in every window of this browser. */

import { keep, stored } from './preferences.svelte';

/** The eight colours; each has a letter, for colour is never alone. */
export const COLOURS = ['blue', 'green', 'amber', 'red', 'violet', 'cyan', 'pink', 'lime'] as const;
export const LETTERS: Readonly<Record<string, string>> = Object.fromEntries(
  COLOURS.map((colour) => [colour, colour.charAt(0).toUpperCase()]),
);
/** A panel of this link looks at its own symbol. */
export const UNLINKED = 'none';
export const FIRST = COLOURS[0];

const KEY = 'tapelight-links';

type Symbols = Readonly<Record<string, string>>;

export class Links {
  #symbols = $state.raw<Symbols>(strings(stored(KEY)));
  #channel: BroadcastChannel | null = null;

  symbol(colour: string): string | null {
    return this.#symbols[colour] ?? null;
  }

  set(colour: string, symbol: string): void {
    if (this.#symbols[colour] === symbol) return;
    this.#symbols = { ...this.#symbols, [colour]: symbol };
    keep(KEY, this.#symbols);
    this.#channel?.postMessage(this.#symbols);
  }

  forget(colour: string): void {
    const { [colour]: _, ...rest } = this.#symbols;
    this.#symbols = rest;
  }

  /** Follow the other windows of this browser until the returned function is called. */
  join(): () => void {
    const channel = new BroadcastChannel(KEY);
    channel.onmessage = (event) => (this.#symbols = strings(event.data));
    this.#channel = channel;
    return () => {
      this.#channel = null;
      channel.close();
    };
  }
}

function strings(value: unknown): Symbols {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

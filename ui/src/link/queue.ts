/** A queue for questions about the past: one process answers them, for all pages at once. */

import { Problem } from './rest';

/** How many of this page are under way at once; the gateway takes eight of all clients. */
const AT_ONCE = 2;
/** A gateway that is busy is asked so often, after so long each time (ms). */
const PAUSES_MS = [500, 1_000, 2_000, 4_000, 4_000] as const;
/** Busy, and not there within the page's own limit: the gateway's work goes on. */
const LATER = new Set([503, 504]);

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** At most `AT_ONCE` questions under way, the others in the order in which they came. */
export class PastQueue {
  #going = 0;
  #waiting: (() => void)[] = [];
  #pause: (ms: number) => Promise<void>;

  constructor(pause: (ms: number) => Promise<void> = rest) {
    this.#pause = pause;
  }

  /**
   * Ask when it is this question's turn, and again while the gateway is busy: its work goes on from
   * where it stands. One that is `gone` by then is not asked: Problem.
   */
  async ask<T>(question: () => Promise<T>, gone: () => boolean): Promise<T> {
    await this.#turn();
    try {
      return await this.#patient(question, gone);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#going -= 1;
      else next();
    }
  }

  /** Wait for a place; who ends hands its own on. */
  async #turn(): Promise<void> {
    if (this.#going < AT_ONCE) this.#going += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async #patient<T>(question: () => Promise<T>, gone: () => boolean): Promise<T> {
    for (const ms of PAUSES_MS) {
      if (gone()) break;
      try {
        return await question();
      } catch (error) {
        if (!(error instanceof Problem && LATER.has(error.status))) throw error;
      }
      await this.#pause(ms);
    }
    if (gone()) throw new Problem(0, 'Given up.');
    return question();
  }
}

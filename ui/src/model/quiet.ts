/** Which sounds are heard: few, and each once. */

/** At most one sound in so long (ms); what comes in between stays silent. */
const APART_MS = 400;
/** A scan's own sound and that of a rule on it are one, if so close to each other (ms). */
const SAME_MS = 3_000;

/** Decide which of the signals and alerts that come may sound. */
export class Quiet {
  #sounded = -Infinity;
  #told = new Map<string, number>();

  /** Return whether `key` may sound at `now` (ms): not twice, and not within 400 ms of another. */
  may(key: string, now: number): boolean {
    for (const [each, at] of this.#told) if (now - at >= SAME_MS) this.#told.delete(each);
    if (this.#told.has(key) || now - this.#sounded < APART_MS) return false;
    this.#told.set(key, now);
    this.#sounded = now;
    return true;
  }
}

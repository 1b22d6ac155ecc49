/** A second press for what can not be taken back. */

/** A second press counts within this time (ms), and not as the second half of a double click. */
const SURE_MS = 4_000;
const DOUBLE_MS = 350;

export class Sure {
  /** What was pressed once; empty for nothing. */
  of = $state('');
  /** Whether a press counts already. */
  ready = $state(false);
  #at = 0;
  #soon: ReturnType<typeof setTimeout> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Note a press on `subject`; return whether it was the second. */
  pressed(subject: string, now = performance.now()): boolean {
    if (this.of === subject) {
      if (now - this.#at < DOUBLE_MS) return false;
      clearTimeout(this.#timer);
      this.of = '';
      return true;
    }
    clearTimeout(this.#timer);
    this.of = subject;
    this.#at = now;
    this.ready = false;
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => (this.ready = true), DOUBLE_MS);
    this.#timer = setTimeout(() => (this.of = ''), SURE_MS);
    return false;
  }
}
